package guac

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Opcodes of the protocol: those that draw or affect drawing, and those that do
// not.
const (
	drawing = "size img blob end png jpeg copy transfer rect cfill lfill cstroke start line arc curve close clip push pop reset identity transform " +
		"distort move shade dispose set cursor mouse sync nest"
	others = "clipboard file pipe argv filesystem body undefine key touch name msg ack required error disconnect nop args ready log select connect " +
		"usbdata usbdisconnect"
)

// TestTheReferenceCoversTheProtocol: the reference player has drawn a script with
// each drawing instruction, channel mask and transfer function. lstroke is the
// exception: the player cannot draw it.
func TestTheReferenceCoversTheProtocol(t *testing.T) {
	missing := map[string]bool{}
	for opcode := range strings.FieldsSeq(drawing) {
		missing[opcode] = true
	}
	for function := range 16 {
		missing["transfer function "+strconv.Itoa(function)] = true
	}
	for mask := range Mask(16) {
		if known(mask) {
			for _, by := range []string{"cfill", "copy", "img"} {
				missing[by+" with mask "+strconv.Itoa(int(mask))] = true
			}
		}
	}
	scripts, err := filepath.Glob(referenceDir + "scripts/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			if len(words) == 0 {
				continue
			}
			delete(missing, words[0])
			place := map[string]int{"cfill": 1, "img": 2, "copy": 6, "transfer": 6}[words[0]]
			if place == 0 || place >= len(words) {
				continue
			}
			n, err := strconv.ParseInt(words[place], 0, 64)
			if err != nil {
				t.Fatalf("%s: %s", path, line)
			}
			what := " with mask "
			if words[0] == "transfer" {
				what = " function "
			}
			delete(missing, words[0]+what+strconv.Itoa(int(n)))
		}
	}
	for what := range missing {
		t.Errorf("no script has %s", what)
	}
}

// TestWhatDrawsNothingIsNoTrouble: ignored instructions that draw nothing cause no
// warning.
func TestWhatDrawsNothingIsNoTrouble(t *testing.T) {
	s := screen(8, 8).box(0, 0, 0, 1, 1, red, MaskOver)
	for opcode := range strings.FieldsSeq(others) {
		s.add(opcode, 1, "x", "y")
	}
	_, stats := play(t, Options{}, s.add("sync", 1).String())
	if len(stats.Warnings) > 0 {
		t.Errorf("warnings %q", stats.Warnings)
	}
	for opcode := range strings.FieldsSeq(drawing) {
		if _, obeyed := shapes[opcode]; !obeyed && !silent[opcode] && opcode != "arc" && opcode != "cstroke" {
			t.Errorf("%s is not known", opcode)
		}
	}
}
