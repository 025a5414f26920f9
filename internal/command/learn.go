package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client/connect"
	"github.com/kubemint/kubemint/internal/command/child"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/command/usage"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/learn"
	"github.com/kubemint/kubemint/internal/mint"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/private"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules/syntax"
	"github.com/kubemint/kubemint/internal/secret"
)

// runLearn runs a command through a proxy, and prints the rules for what it asked of the API
// server.
func runLearn(ctx context.Context, s session.Session, call usage.Invocation) error {
	l := &learning{names: call.Has("names"), record: learn.NewRecord()}
	s, command, code, err := prepareCommand(s, "learn", call.Arguments)
	switch {
	case err != nil:
	case call.Has("declared"):
		code, err = l.asDeclared(ctx, s, command)
	default:
		code, err = l.asRunner(ctx, s, command)
	}
	return endWith(s, "learn", code, err)
}

// learning is a command's run through a proxy.
type learning struct {
	names    bool
	record   *learn.Record
	proxy    *learn.Proxy
	upstream learn.Upstream
}

// asRunner runs the command as the runner's own identity.
func (l *learning) asRunner(ctx context.Context, s session.Session, command child.Command) (int, error) {
	return inPrivate(s, func(dir *private.Dir) (int, error) {
		limited, cancel := context.WithTimeout(ctx, s.Config.Result.Timeout)
		defer cancel()
		as, err := connectRunner(limited, s)
		if err != nil {
			return 0, err
		}
		defer as.api.Close()
		to := kubeconfig.Config{Name: "kubemint-learn", Namespace: as.declared.Namespaces[0]}
		path, err := l.start(limited, s, as.from.REST, to, filepath.Join(dir.Path, "learn"))
		if err != nil {
			return 0, err
		}
		defer l.close()
		s.Stdout.Share()
		code, err := child.Run(ctx, s, command, child.Env(s, as.from, path), nothingBeside)
		return code, errors.Join(err, l.report(ctx, s))
	})
}

// nothingBeside is done while the command runs.
func nothingBeside(context.Context) (wait func()) { return func() {} }

// asDeclared runs the command with the credential that the inputs declare.
func (l *learning) asDeclared(
	ctx context.Context, s session.Session, command child.Command,
) (int, error) {
	if err := refuseForExec(s, "learn --declared"); err != nil {
		return 0, err
	}
	code, err := inPrivate(s, func(dir *private.Dir) (int, error) {
		return mintAndRun(ctx, s, dir, command, l)
	})
	if l.proxy == nil { // the command was not run
		return code, err
	}
	return code, errors.Join(err, l.compare(s))
}

// startDeclared begins to hand requests on with the minted credential. Its token is read again from
// the file, since it is renewed.
func (l *learning) startDeclared(
	ctx context.Context, s session.Session, job mint.Job, to deliver.Directory,
) (string, error) {
	written := job.Written
	config, err := connect.ConfigFor(written)
	if err != nil {
		return "", err
	}
	config.BearerTokenFile = to.TokenFile()
	return l.start(
		ctx, s, config, kubeconfig.Config{Name: written.Name, Namespace: written.Namespace},
		to.Path()+".learn",
	)
}

// start begins to hand requests on, and writes the command's kubeconfig.
func (l *learning) start(
	ctx context.Context, s session.Session, config *rest.Config, to kubeconfig.Config, path string,
) (string, error) {
	transports, err := s.Dialer().Transports(config)
	if err != nil {
		return "", problem.New(problem.Source, "connect to "+config.Host, err)
	}
	l.upstream = learn.Upstream{
		URL: transports.URL, Transport: transports.Plain, Upgrade: transports.Upgrade,
		UserAgent: s.Dialer().UserAgent, Impersonates: config.Impersonate.UserName != "",
	}
	if l.proxy, err = learn.Start(context.WithoutCancel(ctx), l.upstream, l.record); err != nil {
		return "", problem.New(problem.Config, "start the proxy", err)
	}
	to.Server = l.proxy.Server()
	to.CAData = l.proxy.CA()
	to.Token = secret.New(l.proxy.Token())
	data, err := kubeconfig.Render(to)
	if err == nil {
		err = output.Write(path, data)
	}
	if err != nil {
		l.close()
		l.proxy = nil // the command is not run
	}
	return path, err
}

func (l *learning) close() { _ = l.proxy.Close() }

// rolesWithin bounds how long the roles that a command wrote are read.
const rolesWithin = 20 * time.Second

// report prints the rules. Nothing of it stops the command, which is over.
func (l *learning) report(ctx context.Context, s session.Session) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rolesWithin)
	defer cancel()
	count := l.record.Count()
	l.warn(s, count)
	list := learn.Needs(l.record.Requests(), l.names)
	if len(list.Places)+len(list.Comments) == 0 {
		if count.Answered > 0 && count.Unauthorized+count.Unanswered+count.Declined == 0 {
			s.Log.Printf("the command asked only for what every identity may ask: it takes no rules")
		}
		return nil
	}
	list = list.Join(learn.ReadRoles(ctx, l.upstream, l.record))
	lines := []string{"# what the command asked of the API server, as rules"}
	lines = append(lines, list.Lines()...)
	return s.Print(append(lines, workflowLines(list.Namespaces())...)...)
}

// compare prints what was used, refused, and declared and never used.
func (l *learning) compare(s session.Session) error {
	l.warn(s, l.record.Count())
	declared := syntax.Scoped{
		Rules: s.Config.Access.Namespaced.Rules, Cluster: s.Config.Access.Cluster.Rules,
	}
	compared := learn.Compare(l.record.Requests(), declared)
	if err := s.Platform.Summarize(summarize(compared)); err != nil {
		s.Log.Warnf("%s", err)
	}
	return s.Print(compared.Lines()...)
}

// warn says what keeps the rules from being complete.
func (l *learning) warn(s session.Session, count learn.Counts) {
	if count.Answered+count.Unanswered+count.Declined == 0 {
		s.Log.Warnf("the command sent no request through kubemint: does it read KUBECONFIG? " +
			"A --kubeconfig flag or a path of its own comes before it")
	}
	if count.Unanswered > 0 {
		s.Log.Warnf(
			"the API server did not answer %d requests, so the rules may lack something: %s",
			count.Unanswered, count.Cause,
		)
	}
	if count.Unauthorized > 0 {
		s.Log.Warnf("the API server answered %d requests with 401: it does not accept the credential (any "+
			"more), and what the command would have done next is not among the rules", count.Unauthorized)
	}
	if count.Declined > 0 {
		s.Log.Warnf("%d requests named an identity to act as, and were refused: the kubeconfig of the runner "+
			"names one already. What they would have taken is not among the rules", count.Declined)
	}
	if count.Lost > 0 {
		s.Log.Warnf("there were too many different requests: %d are left out of the rules", count.Lost)
	}
}

// workflowLines are how the rules are declared in a workflow.
func workflowLines(namespaces []string) []string {
	lines := []string{"", "# in the step that mints:"}
	if len(namespaces) > 0 {
		lines = append(lines, "#   namespace: "+namespaces[0])
	}
	return append(lines, "#   rules: |  # and the lines above")
}

// summarize is the comparison as a table, and the lines to paste.
func summarize(compared learn.Comparison) string {
	var b strings.Builder
	b.WriteString(
		"### kubemint learn: what the command used of what is declared\n\n| | rule |\n|---|---|\n",
	)
	rows := func(what string, lines []string) {
		for _, line := range lines {
			if line != "" && !strings.HasPrefix(line, "#") {
				fmt.Fprintf(&b, "| %s | %s |\n", what, console.CodeSpan(line))
			}
		}
	}
	used := compared.Used.Lines()
	rows("used", used)
	rows("refused", compared.Refused.Lines())
	rows("wider than what was used", compared.Wider)
	rows("never used", compared.Unused)
	fmt.Fprintf(&b, "\nWhat was used, to paste:\n\n%s", console.CodeBlock("", used))
	return b.String()
}
