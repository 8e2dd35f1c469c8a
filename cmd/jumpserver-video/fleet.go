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

// recordSeal is what seals of the queue's records are for.
const recordSeal = "record"

// queueOptions are those of the agent's queue. The records of one that agents
// share are sealed when the agents have a key in common; the embedded one is in
// nobody else's reach. What leaves a shared queue open to others is logged.
func queueOptions(cfg config.Config, lease time.Duration, log *slog.Logger) queue.Options {
	o := queue.Options{Dir: cfg.Dir("queue"), URL: string(cfg.QueueURL), Owner: owner(cfg), Lease: lease, Log: log}
	for _, risk := range cfg.QueueRisks() {
		log.Warn("the shared queue is open to others", "why", risk.What, "fix", risk.Fix)
	}
	if cfg.QueueURL != "" && cfg.SecretKey != "" {
		key := seal.FromSecret(string(cfg.SecretKey))
		o.Seal = func(content []byte) []byte { return key.Seal(recordSeal, content) }
		o.Holds = func(s, content []byte) bool { return key.Holds(s, recordSeal, content) }
	}
	return o
}

// distrusts reports whether the queue has records that are not believed. What
// was remembered of the volume then says nothing: their recordings are to be
// found again.
func distrusts(ctx context.Context, tasks *queue.Queue) bool {
	all, err := tasks.List(ctx)
	return err == nil && slices.ContainsFunc(all, func(t queue.Task) bool { return t.Reason == queue.Forged })
}
