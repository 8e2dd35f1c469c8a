// Command bench measures the program: what conversions cost, and how the agent
// behaves beside other work, on a large volume and under many uploads. All but
// film and convert run a real agent against a development core.
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

// root is the program with all of its commands.
func root() *cobra.Command {
	root := &cobra.Command{
		Use:   "bench",
		Short: "Measure the program, and the agent at work",
		Long: `Measure the program, and the agent at work.

Build the program first (make build); each command measures bin/jumpserver-video
unless --binary names another. docs/PERFORMANCE.md has results.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddCommand(backlog.Command(), convert.Command(), convert.CompareCommand(), film.Command(), governor.Command(), scan.Command(), upload.Command())
	return root
}
