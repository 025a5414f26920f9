package check

import (
	"context"
	"errors"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/command/bootstrap"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/problem"
)

// Run asks the API server as the runner, and is an error where the runner's rights are not those
// that bootstrap prints: of code 5 where it may do more, of code 4 where it only lacks some.
func Run(ctx context.Context, s session.Session, asked bootstrap.Asked) error {
	if asked.Guard || len(asked.Subjects) > 0 || asked.Trust.IsGiven() {
		return problem.Newf(problem.Config, "run bootstrap",
			"--check asks as the runner itself, and prints no manifest").
			Hint("leave --subject, --guard and --trust out")
	}
	needed, err := bootstrap.LeastRights(asked)
	if err != nil {
		return err
	}
	from, err := session.LoadSource(s, session.ChooseDeclared(s))
	if err != nil {
		return err
	}
	session.ReportSource(s, from)
	api, err := session.OpenExpected(ctx, s, from)
	if err != nil {
		return err
	}
	defer api.Close()
	if err := api.Recognise(ctx); err != nil {
		return err
	}
	places, err := comparePlaces(ctx, api, listPlaces(asked, needed))
	if err != nil {
		return explainAll(api, err)
	}
	return report(s.Log, places, asked.Steady)
}

// explainAll explains why reviews could not be asked.
func explainAll(api *client.Client, err error) error {
	const op = "ask what the runner may do"
	var explained []error
	for _, each := range problem.ListErrors(err) {
		if discovery.Unserved(each) {
			return problem.New(problem.Mint, op, each, "such a server does not say what its users may do: "+
				"compare the runner's bindings with what kubemint bootstrap prints")
		}
		explained = append(explained, api.Explain(problem.Mint, op, each))
	}
	return errors.Join(explained...)
}
