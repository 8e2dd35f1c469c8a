package backlog

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
)

// share starts the server of a queue, and creates the other agents. They share the
// queue, core and the volume with the first.
func (t *trial) share(env map[string]string) (err error) {
	t.nats, err = server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoSigs: true, JetStream: true, StoreDir: filepath.Join(t.agent.Dir, "nats"),
	})
	if err != nil {
		return err
	}
	go t.nats.Start()
	if !t.nats.ReadyForConnections(time.Minute) {
		return errors.New("the queue's server was not ready within a minute")
	}
	shared := map[string]string{"QUEUE_URL": t.nats.ClientURL(), "VIDEO_WORKER_SECRET_KEY": "of-this-fleet-32-characters-long"}
	maps.Copy(t.agent.Env, shared)
	for _, name := range []string{"CORE_HOST", "BOOTSTRAP_TOKEN", "REPLAY_DIR"} {
		shared[name] = t.agent.Env[name]
	}
	t.agent.Env["NAME"] = "agent-1"
	for i := 2; i <= t.agents; i++ {
		own := maps.Clone(env)
		maps.Copy(own, shared)
		own["NAME"] = fmt.Sprintf("agent-%d", i)
		a, err := agenttest.New(agenttest.Options{Binary: t.binary, Name: own["NAME"], Env: own})
		if err != nil {
			return err
		}
		t.others = append(t.others, a)
	}
	return nil
}
