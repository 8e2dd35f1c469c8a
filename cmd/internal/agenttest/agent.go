package agenttest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/loopback"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// Options say which agent to run. Binary is required.
type Options struct {
	// Binary is the agent's program, as [exec.Command] takes it.
	Binary string
	// Name is what messages call the agent; "" = "the agent".
	Name string
	// Dir is the agent's folder, which stays when it is closed: data (DATA_DIR),
	// tmp (TMPDIR) and agent.log are in it, and core's media folder unless Core
	// names another. "" = a temporary folder, which Close removes.
	Dir string
	// Core is the development core to start. Its MediaDir is media in Dir and its
	// BootstrapToken "agenttest" unless set. nil = the caller has a core, and
	// names it in Env.
	Core *devcore.Options
	// Flags are further arguments of `agent`.
	Flags []string
	// Env are settings, and other variables of the agent's environment. They win
	// over those made here.
	Env map[string]string
}

// Agent is an agent and what it works with. The methods of [Process] start and
// end it.
type Agent struct {
	Process
	// Core is the development core; nil if the caller has one.
	Core *devcore.Server
	// Env is the environment of the next start and of commands. The caller may
	// change it while neither is being made.
	Env map[string]string
	// API is the agent's task API.
	API *taskapi.Client
	// Dir is the agent's folder, see Options.
	Dir string

	binary  string
	media   string // core's; "" without one
	address *loopback.Address
	http    *http.Client // each request on a connection of its own, as agents come and go
	remove  bool         // Dir was made here
}

// passed are the variables of the caller's environment that the agent gets:
// where programs are, what time it is, and how Go watches it.
var passed = []string{"PATH", "TZ", "GODEBUG", "GORACE", "GOCOVERDIR"}

// New prepares an agent that does not run yet. The caller closes it.
func New(opt Options) (_ *Agent, err error) {
	a := &Agent{
		Dir: opt.Dir, binary: opt.Binary, Env: map[string]string{},
		http: &http.Client{Timeout: answerWithin, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if opt.Dir == "" {
		if a.Dir, err = os.MkdirTemp("", "agenttest-"); err != nil {
			return nil, err
		}
		a.remove = true
	}
	if a.Dir, err = filepath.Abs(a.Dir); err != nil { // as the agent wants it
		return nil, err
	}
	for _, dir := range []string{a.Data(), a.Temp()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	if a.address, err = loopback.Reserve(1); err != nil {
		return nil, err
	}
	a.API = taskapi.Local(a.address.Host, a.address.Ports[0], "", "")
	a.Process = Process{
		Name: cmp.Or(opt.Name, "the agent"), Output: filepath.Join(a.Dir, "agent.log"),
		Prepare: func() *exec.Cmd { return a.Command(append([]string{"agent"}, opt.Flags...)...) },
	}
	for _, name := range passed {
		if value, set := os.LookupEnv(name); set {
			a.Env[name] = value
		}
	}
	maps.Copy(a.Env, map[string]string{
		"HOME": a.Dir, "TMPDIR": a.Temp(), "NO_COLOR": "1",
		"BIND_HOST": a.address.Host, "HTTPD_PORT": strconv.Itoa(a.address.Ports[0]), "DATA_DIR": a.Data(),
	})
	if opt.Core != nil {
		if err := a.startCore(*opt.Core); err != nil {
			return nil, err
		}
	}
	maps.Copy(a.Env, opt.Env)
	return a, nil
}

func (a *Agent) startCore(opt devcore.Options) (err error) {
	if opt.MediaDir == "" {
		opt.MediaDir = filepath.Join(a.Dir, "media")
	}
	if opt.BootstrapToken == "" {
		opt.BootstrapToken = "agenttest"
	}
	if a.Core, err = devcore.Start(opt); err != nil {
		return fmt.Errorf("start the development core: %w", err)
	}
	a.media = opt.MediaDir
	maps.Copy(a.Env, map[string]string{"CORE_HOST": a.Core.URL, "BOOTSTRAP_TOKEN": opt.BootstrapToken, "REPLAY_DIR": a.Replay()})
	return nil
}

// Command is a command line of the agent's program in the agent's environment, not
// yet started. It is killed if the caller dies.
func (a *Agent) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(a.binary, args...) //nolint:noctx // ended by the process or waited for by the caller
	cmd.Env = a.Environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Environ is Env in the form NAME=value, sorted.
func (a *Agent) Environ() []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(a.Env)) {
		env = append(env, name+"="+a.Env[name])
	}
	return env
}

// URL is the agent's address, such as http://127.0.83.201:10000, without TLS.
func (a *Agent) URL() string { return a.API.Base }

// Addr is the agent's host and port.
func (a *Agent) Addr() string { return a.address.HostPort(0) }

// Replay is the replay folder as the development core has it; "" without one.
func (a *Agent) Replay() string {
	if a.media == "" {
		return ""
	}
	return filepath.Join(a.media, "replay")
}

// Data is the agent's data folder, or something in it.
func (a *Agent) Data(sub ...string) string {
	return filepath.Join(append([]string{a.Dir, "data"}, sub...)...)
}

// Temp is the folder of the agent's temporary files.
func (a *Agent) Temp() string { return filepath.Join(a.Dir, "tmp") }

// Close stops the agent and core, and removes a temporary folder. It does not
// fail because of the exit code that the agent ends with.
func (a *Agent) Close() error {
	errs := []error{a.end(syscall.SIGTERM)}
	if a.Core != nil {
		errs = append(errs, a.Core.Close())
	}
	if a.address != nil {
		errs = append(errs, a.address.Close())
	}
	if a.remove {
		errs = append(errs, os.RemoveAll(a.Dir))
	}
	return errors.Join(errs...)
}
