package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// replicas is how many servers of a cluster hold the bucket, so that one may fail.
const replicas = 3

// Error codes of the server for which the client has no constants.
const (
	codeNoPeers     jetstream.ErrorCode = 10005 // fewer servers than replicas
	codeNoResources jetstream.ErrorCode = 10023 // the same
	codeNoCluster   jetstream.ErrorCode = 10074 // replicas on a server without a cluster
)

// connect begins to connect to QUEUE_URL. The connection retries until it is closed.
func (q *Queue) connect() (*nats.Conn, error) {
	failed := func(_ *nats.Conn, err error) {
		if err != nil {
			q.setTrouble(fmt.Errorf("%w: QUEUE_URL: %w", ErrUnreached, err))
		}
	}
	conn, err := nats.Connect(q.opt.URL, nats.Name("jumpserver-video "+q.opt.Owner), nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true), nats.IgnoreAuthErrorAbort(), nats.ReconnectErrHandler(failed), nats.DisconnectErrHandler(failed))
	if err != nil {
		return nil, fmt.Errorf("queue: QUEUE_URL: %w", err)
	}
	return conn, nil
}

// openShared opens the bucket on a cluster, or on a server without a cluster. It returns
// an error while a cluster cannot hold three copies: a bucket with one copy would be lost
// with its server.
func (q *Queue) openShared(ctx context.Context) (jetstream.KeyValue, error) {
	if !q.conn.IsConnected() {
		return nil, fmt.Errorf("QUEUE_URL: %w", cmp.Or(q.conn.LastError(), nats.ErrNoServers))
	}
	ctx, cancel := context.WithTimeout(ctx, maxRetry) // a server that dies never responds
	defer cancel()
	kv, err := bucket(ctx, q.conn, replicas)
	switch {
	case isCode(err, codeNoCluster):
		kv, err = bucket(ctx, q.conn, 1)
	case isCode(err, codeNoPeers), isCode(err, codeNoResources):
		return nil, fmt.Errorf("the NATS cluster cannot keep the tasks on three servers: start those that are down, or add some: %w", err)
	case err == nil:
		return q.addReplicas(ctx, kv)
	}
	return kv, err
}

// addReplicas gives a bucket that was created without a cluster its copies on the
// cluster. If that is not possible now, it logs so, and the next start retries it.
func (q *Queue) addReplicas(ctx context.Context, kv jetstream.KeyValue) (jetstream.KeyValue, error) {
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
	case isCode(err, codeNoCluster): // still without a cluster
		return kv, nil
	case err != nil:
		q.opt.Log.Warn("the tasks are kept on one server of the NATS cluster and cannot be copied to three now; retrying at the next start", "error", err)
		return kv, nil
	}
	q.opt.Log.Info("the tasks are kept on three servers of the NATS cluster from now on")
	return raised, nil
}

func isCode(err error, code jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == code
}
