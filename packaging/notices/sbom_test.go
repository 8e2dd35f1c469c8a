package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestTheBillNamesAllThatIsInTheProgram and nothing else. The bill is compared with
// what the linker has written into a program.
func TestTheBillNamesAllThatIsInTheProgram(t *testing.T) {
	t.Chdir("../..")
	dir := static(t)
	var out, again bytes.Buffer
	for _, to := range []*bytes.Buffer{&out, &again} {
		if err := bill(t.Context(), to, dir, "1.2.3+4.gabc"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Error("two bills of one commit differ")
	}
	var d document
	decoder := json.NewDecoder(&out)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		t.Fatal(err)
	}
	if c := d.Metadata.Component; d.Format != "CycloneDX" || d.Spec != "1.6" || c.Version != "1.2.3+4.gabc" || !strings.HasSuffix(c.PURL, "@1.2.3%2B4.gabc") {
		t.Errorf("of %+v", d.Metadata)
	}
	parts, refs := map[string]part{}, map[string]bool{}
	for _, p := range d.Components {
		if refs[p.Ref] || p.Ref != p.PURL || p.Version == "" || (p.Type == "library") == (p.Name == "ffmpeg" || p.Name == "busybox") || len(p.Licenses) == 0 {
			t.Errorf("%+v", p)
		}
		parts[p.Name], refs[p.Ref] = p, true
	}
	if len(parts) != len(d.Components) || len(d.Dependencies) != 1 || len(d.Dependencies[0].DependsOn) != len(parts) {
		t.Errorf("%d components of %d names, %+v", len(d.Components), len(parts), d.Dependencies)
	}

	program := filepath.Join(t.TempDir(), "jumpserver-video")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "nodemo", "-o", program, "./cmd/jumpserver-video").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if p := parts["stdlib"]; info.GoVersion != p.Version || p.PURL != "pkg:golang/stdlib@"+strings.TrimPrefix(runtime.Version(), "go") {
		t.Errorf("built with %s: %+v", info.GoVersion, p)
	}
	for _, module := range info.Deps {
		p := parts[module.Path]
		if p.Version != module.Version || p.PURL != "pkg:golang/"+module.Path+"@"+strings.ReplaceAll(module.Version, "+", "%2B") {
			t.Errorf("%s %s is in the program: %+v", module.Path, module.Version, p)
		}
	}
	if want := len(info.Deps) + 1 + len(written); len(info.Deps) < 20 || len(parts) != want {
		t.Errorf("%d are named, and %d are there", len(parts), want)
	}
	for _, l := range written {
		// The version includes the distribution's part, which shows what was fixed.
		if p := parts[l.name]; p.PURL != "pkg:deb/debian/"+l.source+"@1.0-1?arch=source&distro=debian-12" || p.Description == "" {
			t.Errorf("%s: %+v", l.name, p)
		}
	}
}
