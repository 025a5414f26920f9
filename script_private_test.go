package main

import (
	"context"
	"os"

	"github.com/kubemint/kubemint/internal/app"
)

// inPrivate is the program, but that its private directories are made in, and looked for in, $PRIVATE_DIR
// alone: what a script leaves there is not removed by an exec of another test.
func inPrivate() {
	dir, err := os.Getwd()
	fail(err)
	os.Exit(app.Main(context.Background(), app.Process{
		Args: append([]string{"kubemint"}, os.Args[1:]...), Environ: os.Environ(), Dir: dir,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, PrivateDir: os.Getenv("PRIVATE_DIR"),
	}))
}
