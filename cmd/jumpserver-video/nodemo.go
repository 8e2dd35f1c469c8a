//go:build nodemo

package main

import "github.com/spf13/cobra"

// demoCommands is empty in packages: they have no recordings to show, and a
// service has no use for a development core in it.
func (a *app) demoCommands() []*cobra.Command { return nil }
