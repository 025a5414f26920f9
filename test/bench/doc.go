// Package bench compares kubemint with the tools it replaces. `make bench` prints one table of ratios, all measured in one
// run on one machine, since seconds of another machine say nothing. docs/performance.md has the table of one such run, and
// the budgets.
package bench
