package fleet

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/jumpserver-video/jumpserver-video/coreapi/loopback"
)

const (
	agents = 3
	nodes  = 3
)

// nodeConfig is the configuration of a process that is a NATS server.
type nodeConfig struct {
	Name   string
	Host   string
	Port   int // for clients
	Routes int // for the other servers
	Dir    string
	Others []string // their addresses, from this server
}

// nodeEnv is the variable that makes the test binary a NATS server.
const nodeEnv = "FLEET_NODE"

// runNode runs a NATS server until it is killed.
func runNode(config string) error {
	var c nodeConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	opt := &server.Options{
		ServerName: c.Name, Host: c.Host, Port: c.Port, JetStream: true, StoreDir: c.Dir,
		Cluster: server.ClusterOpts{
			Name: "fleet", Host: c.Host, Port: c.Routes, NoAdvertise: true, PoolSize: -1,
			Advertise: "127.0.0.1:9", // servers reach each other only through the links
		},
		PingInterval: 2 * time.Second, MaxPingsOut: 2,
	}
	for _, other := range c.Others {
		opt.Routes = append(opt.Routes, &url.URL{Scheme: "nats", Host: other})
	}
	s, err := server.NewServer(opt)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	s.WaitForShutdown()
	return nil
}

// cluster is the NATS servers and the links between them.
type cluster struct {
	at     *loopback.Address // with the ports of each server, for clients and for other servers
	config [nodes]nodeConfig
	links  [nodes][nodes]*link // from, to; nil from one to itself
}

func newCluster(t *testing.T, dir string) *cluster {
	t.Helper()
	at, err := loopback.Reserve(2 * nodes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { at.Close() })
	c := &cluster{at: at}
	for i := range c.config {
		name := "node" + strconv.Itoa(i)
		c.config[i] = nodeConfig{Name: name, Host: at.Host, Port: at.Ports[2*i], Routes: at.Ports[2*i+1], Dir: filepath.Join(dir, name)}
	}
	for i := range c.config {
		for k := range c.config {
			if i != k {
				c.links[i][k] = newLink(t, at.HostPort(2*k+1))
				c.config[i].Others = append(c.config[i].Others, c.links[i][k].addr())
			}
		}
	}
	return c
}

// command returns the command of a node's process.
func (c *cluster) command(i int) *exec.Cmd {
	config, _ := json.Marshal(c.config[i])          // cannot fail
	cmd := exec.Command(os.Args[0], "-test.run=^$") //nolint:noctx // ended by kill
	cmd.Env = append(os.Environ(), nodeEnv+"="+string(config))
	return cmd
}

// isolate changes all links between a node and the others.
func (c *cluster) isolate(i int, is condition) {
	for k := range c.config {
		if i != k {
			c.links[i][k].set(is)
			c.links[k][i].set(is)
		}
	}
}
