// Package bench measures kubemint beside what it replaces: `make bench` prints one table of ratios, all of one run on one machine, since
// seconds of another machine say nothing. docs/performance.md has the table of one such run, and the budgets.
package bench
