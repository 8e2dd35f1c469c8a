//go:build nodemo

package main

import "github.com/spf13/cobra"

// demoCommands returns nothing in packages: they contain no recordings for a demo, and a
// service must not contain the development core.
func (a *app) demoCommands() []*cobra.Command { return nil }
