package nfs

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// asGuest is set in the process of this test that a guest runs from its start. Starting a
// program takes a tenth of a second there, so that this process makes requests itself.
const asGuest = "NFS_TEST_GUEST"

// obey does, in a guest, what its host leaves in /host/GUEST, all in parallel: it runs the
// scripts N.sh, and makes the requests N.http, which contain a method and a URL. N.out is the
// output, and N.rc, which is written at the end, is the exit code or the status.
func obey() error {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	name := regexp.MustCompile(`guest=(\S+)`).FindSubmatch(line)
	if name == nil {
		return fmt.Errorf("the kernel has no option guest: %s", line)
	}
	dir := filepath.Join("/host", string(name[1]))
	if err := os.WriteFile(filepath.Join(dir, "up"), nil, 0o600); err != nil {
		return err
	}
	for n := 0; ; time.Sleep(20 * time.Millisecond) { // until the guest is stopped
		base := filepath.Join(dir, strconv.Itoa(n))
		for kind, do := range map[string]func(string, *os.File) int{".sh": runScript, ".http": request} {
			if content, err := os.ReadFile(base + kind); err == nil {
				go reply(base, string(content), do)
				n++
				break
			}
		}
	}
}

// reply does what content says, and writes N.out and N.rc.
func reply(base, content string, do func(string, *os.File) int) {
	out, err := os.Create(base + ".out")
	if err != nil {
		return // the host waits in vain, and says so
	}
	code := do(content, out)
	out.Close()
	if os.WriteFile(base+".part", []byte(strconv.Itoa(code)), 0o600) == nil {
		_ = os.Rename(base+".part", base+".rc")
	}
}

func runScript(script string, out *os.File) int {
	cmd := exec.Command("bash", "-c", script)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		fmt.Fprintln(out, err)
		return 127
	}
	return cmd.ProcessState.ExitCode()
}

// request returns 0 if there is no response.
func request(line string, out *os.File) int {
	method, url, _ := strings.Cut(line, " ")
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		fmt.Fprintln(out, err)
		return 0
	}
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(r)
	if err != nil {
		fmt.Fprintln(out, err)
		return 0
	}
	defer response.Body.Close()
	if _, err := io.Copy(out, response.Body); err != nil {
		fmt.Fprintln(out, err)
		return 0
	}
	return response.StatusCode
}
