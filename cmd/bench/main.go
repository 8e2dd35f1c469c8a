// Command bench measures the program: what conversions cost, and how the agent
// behaves beside other work, on a large volume and under many uploads. The commands
// backlog, governor, scan and upload run a real agent against a development core.
//
//	go run ./cmd/bench help
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/cmd/bench/internal/backlog"
	"github.com/jumpserver-video/jumpserver-video/cmd/bench/internal/convert"
	"github.com/jumpserver-video/jumpserver-video/cmd/bench/internal/film"
	"github.com/jumpserver-video/jumpserver-video/cmd/bench/internal/governor"
	"github.com/jumpserver-video/jumpserver-video/cmd/bench/internal/scan"
	"github.com/jumpserver-video/jumpserver-video/cmd/bench/internal/upload"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// root returns the root command with all subcommands.
func root() *cobra.Command {
	root := &cobra.Command{
		Use:   "bench",
		Short: "Measure conversions, and the agent under load",
		Long: `Measure conversions, and the agent under load.

Build the program first (make build). Each command measures bin/jumpserver-video
unless --binary names another program. docs/PERFORMANCE.md contains results.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddCommand(backlog.Command(), convert.Command(), convert.CompareCommand(), film.Command(), governor.Command(), scan.Command(), upload.Command())
	return root
}
