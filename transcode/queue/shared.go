package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// replicas of the bucket on a cluster: one server may fail.
const replicas = 3

// Codes of the server's answers for which the client has no names.
const (
	codeNoPeers     jetstream.ErrorCode = 10005 // too few servers for so many replicas
	codeNoResources jetstream.ErrorCode = 10023 // the same
	codeNoCluster   jetstream.ErrorCode = 10074 // replicas on a server that is alone
)

// connect begins to connect to QUEUE_URL, and goes on for ever.
func (q *Queue) connect() (*nats.Conn, error) {
	failed := func(_ *nats.Conn, err error) {
		if err != nil {
			q.note(fmt.Errorf("%w: QUEUE_URL: %w", ErrUnreached, err))
		}
	}
	conn, err := nats.Connect(q.opt.URL, nats.Name("jumpserver-video "+q.opt.Owner), nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true), nats.IgnoreAuthErrorAbort(), nats.ReconnectErrHandler(failed), nats.DisconnectErrHandler(failed))
	if err != nil {
		return nil, fmt.Errorf("queue: QUEUE_URL: %w", err)
	}
	return conn, nil
}

// openShared opens the bucket on a cluster, or on a server that is alone. A
// cluster that cannot hold three copies now is waited for: a bucket that was
// made with one would be lost with its server.
func (q *Queue) openShared(ctx context.Context) (jetstream.KeyValue, error) {
	if !q.conn.IsConnected() {
		return nil, fmt.Errorf("QUEUE_URL: %w", cmp.Or(q.conn.LastError(), nats.ErrNoServers))
	}
	ctx, cancel := context.WithTimeout(ctx, lastWait) // or ask again: servers that die lose requests
	defer cancel()
	kv, err := bucket(ctx, q.conn, replicas)
	switch {
	case isCode(err, codeNoCluster):
		kv, err = bucket(ctx, q.conn, 1)
	case isCode(err, codeNoPeers), isCode(err, codeNoResources):
		return nil, fmt.Errorf("the NATS cluster cannot keep the tasks on three servers: start those that are down, or add some: %w", err)
	case err == nil:
		return q.raise(ctx, kv)
	}
	return kv, err
}

// raise gives a bucket that was made when the server was alone the copies
// that a cluster can keep. When it cannot now, it is tried at the next start.
func (q *Queue) raise(ctx context.Context, kv jetstream.KeyValue) (jetstream.KeyValue, error) {
	status, err := kv.Status(ctx)
	if err != nil {
		return nil, err
	}
	config := status.Config()
	if config.Replicas >= replicas {
		return kv, nil
	}
	js, err := jetstream.New(q.conn)
	if err != nil {
		return nil, err
	}
	config.Replicas = replicas
	raised, err := js.UpdateKeyValue(ctx, config)
	switch {
	case isCode(err, codeNoCluster): // still alone
		return kv, nil
	case err != nil:
		q.opt.Log.Warn("the tasks are kept on one server of the NATS cluster and cannot be copied to three now; trying again at the next start", "error", err)
		return kv, nil
	}
	q.opt.Log.Info("the tasks are kept on three servers of the NATS cluster from now on")
	return raised, nil
}

func isCode(err error, code jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == code
}
