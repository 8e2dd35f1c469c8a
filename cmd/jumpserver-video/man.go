package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the manual pages; packaging uses it.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man FOLDER",
		Short:  "Write the manual pages to a folder",
		Hidden: true,
		Args:   named(cobra.ExactArgs(1), "one folder"),
		RunE: func(c *cobra.Command, args []string) error {
			header := &doc.GenManHeader{Section: "1", Source: "jumpserver-video " + version, Manual: "jumpserver-video"}
			// Not the time of the build: pages are the same whenever they are made.
			day, err := time.Parse(time.DateOnly, date)
			if err != nil {
				day = time.Unix(0, 0).UTC()
			}
			header.Date = &day
			root := c.Root()
			root.DisableAutoGenTag = true
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("%w: %w", errFiles, err)
			}
			return nil
		},
	}
}
