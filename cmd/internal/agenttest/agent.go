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

// Options configure an agent. Binary is required.
type Options struct {
	// Binary is the agent's program, as [exec.Command] takes it.
	Binary string
	// Name is what messages call the agent; "" means "the agent".
	Name string
	// Dir is the agent's folder. It contains data (DATA_DIR), tmp (TMPDIR) and
	// agent.log, and core's media folder unless Core names another. Close keeps
	// it. "" means a temporary folder, which Close removes.
	Dir string
	// Core is the development core to start. Unless set, its MediaDir is media in
	// Dir, and its BootstrapToken is "agenttest". nil means that the caller has a
	// core, and names it in Env.
	Core *devcore.Options
	// Flags are additional arguments of `agent`.
	Flags []string
	// Env are settings, and other variables of the agent's environment. They
	// override those that New sets.
	Env map[string]string
}

// Agent is an agent, with what it needs to run. The methods of [Process] start and
// stop it.
type Agent struct {
	Process
	// Core is the development core; nil if the caller has one.
	Core *devcore.Server
	// Env is the environment of the next start and of commands. The caller must
	// not change it while Start or Command runs.
	Env map[string]string
	// API is the agent's task API.
	API *taskapi.Client
	// Dir is the agent's folder: see [Options].
	Dir string

	binary  string
	media   string // core's; "" without one
	address *loopback.Address
	http    *http.Client // without keep-alive, because agents are restarted
	remove  bool         // New has created Dir
}

// passed are the variables of the caller's environment that the agent gets: the
// paths of programs, the time zone, and settings of Go's runtime.
var passed = []string{"PATH", "TZ", "GODEBUG", "GORACE", "GOCOVERDIR"}

// ffmpegVariable is the variable with the path of the ffmpeg that agents use in tests; by
// default they use the one in PATH. CI names that of the packages, which starts faster.
const ffmpegVariable = "TEST_FFMPEG"

// New prepares an agent without starting it. The caller must close it.
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
	if a.Dir, err = filepath.Abs(a.Dir); err != nil { // the agent requires absolute paths
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
	if path := os.Getenv(ffmpegVariable); path != "" {
		a.Env["FFMPEG"] = path
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

// Command returns a command line of the agent's program in the agent's environment,
// not started yet. It is killed if the caller dies.
func (a *Agent) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(a.binary, args...) //nolint:noctx // ended by the process or waited for by the caller
	cmd.Env = a.Environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Environ returns Env in the form NAME=value, sorted.
func (a *Agent) Environ() []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(a.Env)) {
		env = append(env, name+"="+a.Env[name])
	}
	return env
}

// URL returns the agent's address, such as http://127.0.83.201:10000, without TLS.
func (a *Agent) URL() string { return a.API.Base }

// Addr returns the agent's host and port.
func (a *Agent) Addr() string { return a.address.HostPort(0) }

// Replay returns the replay folder of the development core; "" without a core.
func (a *Agent) Replay() string {
	if a.media == "" {
		return ""
	}
	return filepath.Join(a.media, "replay")
}

// Data returns the path of the agent's data folder, or of something in it.
func (a *Agent) Data(sub ...string) string {
	return filepath.Join(append([]string{a.Dir, "data"}, sub...)...)
}

// Temp returns the folder of the agent's temporary files.
func (a *Agent) Temp() string { return filepath.Join(a.Dir, "tmp") }

// Close stops the agent and core, and removes a temporary folder. The agent's exit
// code is ignored.
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
