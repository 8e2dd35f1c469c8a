package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	maxStore  = 4 << 30 // bytes that the embedded queue may take on disk
	maxMemory = 64 << 20
	startTime = 30 * time.Second
)

// embedded runs a NATS server inside the process, without a port.
func embedded(dir string, log *slog.Logger) (*server.Server, *nats.Conn, error) {
	s, err := server.NewServer(&server.Options{
		ServerName: "jumpserver-video", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: dir, SyncAlways: true, JetStreamMaxStore: maxStore, JetStreamMaxMemory: maxMemory,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("queue: %w", err)
	}
	s.SetLoggerV2(natsLog{log.With("from", "queue")}, false, false, false)
	go s.Start()
	if !s.ReadyForConnections(startTime) {
		stopServer(s)
		return nil, nil, errors.New("queue: the embedded server does not start")
	}
	conn, err := nats.Connect("", nats.InProcessServer(s), nats.Name("jumpserver-video"), nats.MaxReconnects(-1))
	if err != nil {
		stopServer(s)
		return nil, nil, fmt.Errorf("queue: %w", err)
	}
	return s, conn, nil
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// openEmbedded opens the queue in dir. A folder that cannot be used is moved
// aside: the queue can be built anew.
func openEmbedded(ctx context.Context, dir string, log *slog.Logger) (*server.Server, *nats.Conn, jetstream.KeyValue, error) {
	for attempt := 0; ; attempt++ {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, nil, nil, fmt.Errorf("queue: %w", err)
		}
		s, conn, err := embedded(dir, log)
		if err == nil {
			var kv jetstream.KeyValue
			if kv, err = bucket(ctx, conn, 1); err == nil {
				return s, conn, kv, nil
			}
			conn.Close()
			stopServer(s)
		}
		if attempt > 0 || ctx.Err() != nil {
			return nil, nil, nil, err
		}
		aside := dir + ".broken-" + time.Now().UTC().Format("20060102T150405")
		log.Error("the queue's folder cannot be used; it is moved aside and a new queue is begun", "error", err, "aside", aside)
		if err := os.Rename(dir, aside); err != nil {
			return nil, nil, nil, fmt.Errorf("queue: %w", err)
		}
	}
}

// bucket opens the bucket of tasks, making it when needed, with copies on so
// many servers.
func bucket(ctx context.Context, conn *nats.Conn, replicas int) (jetstream.KeyValue, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	kv, err := js.KeyValue(ctx, bucketName)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: bucketName, Description: "tasks of jumpserver-video", History: 1, Storage: jetstream.FileStorage, Replicas: replicas,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return kv, nil
}

const bucketName = "tasks"

// natsLog passes the server's messages to our logger: they are of interest
// to whoever looks for trouble, and to nobody else.
type natsLog struct{ log *slog.Logger }

func (n natsLog) Noticef(f string, v ...any) { n.log.Debug(fmt.Sprintf(f, v...)) }
func (n natsLog) Warnf(f string, v ...any)   { n.log.Debug(fmt.Sprintf(f, v...)) }
func (n natsLog) Errorf(f string, v ...any)  { n.log.Warn(fmt.Sprintf(f, v...)) }
func (n natsLog) Fatalf(f string, v ...any)  { n.log.Error(fmt.Sprintf(f, v...)) }
func (n natsLog) Debugf(f string, v ...any)  {}
func (n natsLog) Tracef(f string, v ...any)  {}
