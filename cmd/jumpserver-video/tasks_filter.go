package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// taskFilter selects tasks by flags.
type taskFilter struct {
	taskapi.Filter

	states           []string
	reason, from, to string
}

// addTo adds the flags to a command. of says what they select.
func (f *taskFilter) addTo(c *cobra.Command, a *app, of string) {
	flags := c.Flags()
	flags.StringSliceVar(&f.states, "state", nil, of+" in these states: "+strings.Join(stateNames(), ", "))
	flags.StringVar(&f.reason, "reason", "", of+" with this reason")
	flags.StringVar(&f.from, "from", "", "only sessions that began on this day or later, YYYY-MM-DD")
	flags.StringVar(&f.to, "to", "", "only sessions that began on this day or earlier")
	flags.StringVar(&f.User, "user", "", "only sessions of users with this in their name")
	flags.StringVar(&f.Asset, "asset", "", "only sessions on assets with this in their name")
	flags.StringVar(&f.Text, "search", "", of+" with this in id, path, user, asset, account or protocol")
	flags.BoolVar(&f.Incomplete, "incomplete", false, of+" whose MP4 may not show everything, or is much shorter than the session")
	complete(c, "state", func(context.Context) []string { return stateNames() })
	complete(c, "reason", a.reasonWords)
}

// read parses the flags.
func (f *taskFilter) read() (err error) {
	f.States = nil
	for _, name := range f.states {
		if !slices.Contains(queue.States, queue.State(name)) {
			return fmt.Errorf("--state %q: must be one of %s", name, strings.Join(stateNames(), ", "))
		}
		f.States = append(f.States, queue.State(name))
	}
	f.Reason = queue.Class(f.reason)
	f.From, f.To, err = taskapi.ParsePeriod(url.Values{"from": {f.from}, "to": {f.to}})
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	return nil
}

// given reports whether a flag selects anything.
func (f *taskFilter) given() bool {
	return len(f.states) > 0 || f.reason+f.from+f.to+f.User+f.Asset+f.Text != "" || f.Incomplete
}
