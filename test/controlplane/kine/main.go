// Command kine serves etcd's API from an SQLite database, as k3s does. Tests start it in place of etcd.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/k3s-io/kine/pkg/app"
)

func main() {
	// The other end of standard input belongs to whoever started this process: see ../main.go, whose other parts delete
	// the data.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := app.New().Run(os.Args); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "kine:", err)
		os.Exit(1)
	}
}
