package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/seal"
)

// recordSeal is the purpose of seals of the queue's records.
const recordSeal = "record"

// queueOptions returns the options of the agent's queue. Records of a shared queue are
// sealed if the agents have a common key; an embedded queue is not accessible to others.
// What makes a shared queue insecure is logged.
func queueOptions(cfg config.Config, lease time.Duration, log *slog.Logger) queue.Options {
	o := queue.Options{Dir: cfg.Dir("queue"), URL: string(cfg.QueueURL), Owner: owner(cfg), Lease: lease, Log: log}
	for _, risk := range cfg.QueueRisks() {
		log.Warn("the shared queue is insecure", "why", risk.What.String(), "fix", risk.Fix.String())
	}
	if cfg.QueueURL != "" && cfg.SecretKey != "" {
		key := seal.FromSecret(string(cfg.SecretKey))
		o.Seal = func(content []byte) []byte { return key.Seal(recordSeal, content) }
		o.Holds = func(s, content []byte) bool { return key.Holds(s, recordSeal, content) }
	}
	return o
}

// distrusts reports whether the queue has records whose seals are invalid. The watcher's
// state of the volume is then invalid, too, because the recordings of these tasks must be
// found again.
func distrusts(ctx context.Context, tasks *queue.Queue) bool {
	all, err := tasks.List(ctx)
	return err == nil && slices.ContainsFunc(all, func(t queue.Task) bool { return t.Reason == queue.Forged })
}
