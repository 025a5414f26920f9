package mint

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/observe"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/entry"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// found holds what was observed.
type found struct {
	entry.State
	permanent *corev1.Secret // of a permanent token
}

// observeCluster reads the cluster, and makes the lease at the same time.
func observeCluster(ctx context.Context, with tools, tether credential.Tether) (found, error) {
	job := with.job
	gate := with.waiting().ToMint(job.Server, job.Desired)
	if gate != nil {
		with.entrance().Mine(gate, tether)
	}
	var notes []string
	var observed access.Observed
	var permanent *corev1.Secret
	var seen *lock.Gate
	err := with.maker.All(ctx, nil,
		func(ctx context.Context) error { return checkServed(ctx, job) }, // a faulty input comes first
		func(ctx context.Context) (err error) {
			observed, notes, err = read(ctx, job, true)
			return err
		},
		job.Server.Recognise,
		func(ctx context.Context) (err error) {
			tether, err = with.issuer.CreateEarly(ctx, tether)
			return err
		},
		func(ctx context.Context) (err error) {
			permanent, err = with.issuer.FindPermanent(ctx)
			return err
		},
		func(ctx context.Context) (err error) {
			seen, err = entry.Look(ctx, gate)
			return err
		},
	)
	job.Log.PrintList("note: ", notes)
	return found{
		State: entry.State{Observed: observed, Tether: tether, Gate: seen}, permanent: permanent,
	}, err
}

// read reads the objects that are declared, and what is like them. cached: as the API server has
// them in its memory, which may be a moment old.
func read(ctx context.Context, job Job, cached bool) (access.Observed, []string, error) {
	return observe.ReadState(ctx, job.Server, job.Desired, cached, func(n int, f func(int) error) error {
		return job.Log.EachWithProgress("objects read", n, f)
	})
}

func (with tools) waiting() entry.Waiting {
	return entry.Waiting{
		Timeout: with.job.Config.Result.Timeout, Now: with.job.Clock.Now, Log: with.job.Log,
	}
}

// entrance returns the entrance, where the run waits until it may change the access.
func (with tools) entrance() entry.Entrance {
	var others []string
	if earlier, live := with.to.Earlier(); live {
		for _, lease := range earlier.Leases {
			others = append(others, lease.Name)
		}
	}
	return entry.Entrance{
		Maker: with.maker, Issuer: with.issuer, Desired: with.job.Desired, Log: with.job.Log, Others: others,
		Read: func(ctx context.Context) (access.Observed, error) {
			observed, _, err := read(ctx, with.job, false)
			return observed, err
		},
	}
}

// checkServed looks whether the cluster serves the resources outside the built-in groups that the
// rules name. One that it does not serve yet may be what the pipeline is about to install; an
// obvious slip is refused.
func checkServed(ctx context.Context, job Job) error {
	declared := job.Desired.Access
	all := slices.Concat(declared.AllRules(), declared.AllMustNot())
	if _, unknown := rules.FindUnserved(all, nil); unknown == "" {
		return nil
	}
	served, err := job.Server.Discover(ctx)
	if err != nil && !answer.IsForbidden(err) {
		return job.Server.Explain(problem.Mint, "read what the cluster serves", err)
	}
	if len(served) == 0 {
		job.Log.Warnf(
			"resources outside the built-in groups are not checked: what the cluster serves cannot be read",
		)
		return nil
	}
	var errs []error
	for _, each := range []struct {
		input string
		rules []rbacv1.PolicyRule
	}{{"rules", declared.AllRules()}, {"must_not", declared.AllMustNot()}} {
		faults, note := rules.FindUnserved(each.rules, served)
		for _, fault := range faults {
			errs = append(errs, problem.New(problem.Config, "input "+each.input, fault))
		}
		if note != "" {
			job.Log.Warnf("input %s: %s", each.input, note)
		}
	}
	return errors.Join(errs...)
}
