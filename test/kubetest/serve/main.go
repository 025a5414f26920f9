// Command serve runs a control plane for a shell script: the demo.
//
//	serve DIR [USER…]
//
// It writes DIR/admin.kubeconfig, a DIR/USER.kubeconfig for each further identity, without any rights, and the link
// DIR/kubectl; prints one line that begins with "ready"; and runs until its standard input ends, or SIGINT or SIGTERM
// comes. Then it deletes what it wrote. In a script, let standard input be a FIFO that the script holds open: it is
// closed however the script ends. (A command that sh starts in the background reads /dev/null otherwise, and would end
// at once.)
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/kubemint/kubemint/test/kubetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: serve DIR [USER…]")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	cluster, err := kubetest.Start(ctx, kubetest.Options{})
	if err != nil {
		return err
	}
	defer cluster.Close()
	dir := args[0]
	kubeconfigs := map[string][]byte{"admin": cluster.AdminKubeconfig()}
	for _, user := range args[1:] {
		if kubeconfigs[user], err = cluster.ClientKubeconfig(user); err != nil {
			return err
		}
	}
	var written []string
	defer func() {
		for _, file := range written {
			_ = os.Remove(file)
		}
	}()
	for user, content := range kubeconfigs {
		file := filepath.Join(dir, user+".kubeconfig")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return err
		}
		written = append(written, file)
	}
	link := filepath.Join(dir, "kubectl")
	if err := os.Symlink(cluster.Kubectl(), link); err != nil {
		return err
	}
	written = append(written, link)
	fmt.Println("ready", cluster.URL)
	<-ctx.Done()
	return nil
}
