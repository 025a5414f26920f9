package problem_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/problem"
)

func TestError_OperationAndCause(t *testing.T) {
	t.Parallel()
	err := error(problem.Newf(problem.Source, "read kubeconfig", "open it: %w", fs.ErrNotExist).Hint("give %s", "one").Hint("or two"))
	if got, want := err.Error(), "read kubeconfig: open it: file does not exist"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost to errors.Is")
	}
	var p *problem.Error
	if !errors.As(fmt.Errorf("around: %w", err), &p) {
		t.Fatal("lost to errors.As")
	}
	if diff := cmp.Diff([]string{"give one", "or two"}, p.Hints); diff != "" {
		t.Error(diff)
	}
}

func TestError_Details(t *testing.T) {
	t.Parallel()
	err := problem.Newf(problem.Mint, "prove access", "not in effect").Detail("get  pods", "    by a").Detail("get  secrets")
	if got, want := err.Error(), "prove access: not in effect: get  pods; by a; get  secrets"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := err.Headline(), "prove access: not in effect"; got != want {
		t.Errorf("the headline is %q, want %q", got, want)
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	a, b, c := errors.New("a"), errors.New("b\nof others"), errors.New("c")
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"one":                         {a, "a"},
		"a line break of others":      {b, "b\nof others"},
		"joined":                      {errors.Join(a, b), "a; b\nof others"},
		"joined once":                 {errors.Join(a), "a"},
		"joins in joins":              {errors.Join(errors.Join(a, c), b), "a; c; b\nof others"},
		"several in a text of theirs": {fmt.Errorf("%w (%w)", a, c), "a (c)"},
		"as a cause":                  {problem.New(problem.Mint, "do", errors.Join(a, c)), "do: a; c"},
		"as the cause of a cause":     {problem.New(problem.Mint, "do", problem.New(problem.Mint, "make", errors.Join(a, c))), "do: make: a; c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := problem.Sentence(tt.err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	rights := problem.Newf(problem.Rights, "apply Role", "forbidden")
	mint := problem.Newf(problem.Mint, "mint token", "refused")
	sigterm := problem.Interrupted{Signal: syscall.SIGTERM, Number: int(syscall.SIGTERM)}
	for name, tt := range map[string]struct {
		err  error
		want int
	}{
		"success":                          {nil, 0},
		"an error of no kind is a defect":  {errors.New("x"), 1},
		"its own":                          {rights, 4},
		"wrapped":                          {fmt.Errorf("around: %w", rights), 4},
		"the first of several":             {errors.Join(mint, rights), 5},
		"the first with a code":            {errors.Join(errors.New("x"), rights), 4},
		"the outer of two":                 {problem.New(problem.Revoke, "revoke", rights), 7},
		"interrupted":                      {sigterm, 143},
		"interrupted in the midst of work": {problem.New(problem.Mint, "apply Role", sigterm), 143},
		"interrupted counts before others": {errors.Join(rights, sigterm), 143},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := problem.ExitCode(tt.err); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if got, want := sigterm.Error(), "interrupted by terminated"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Pipelines branch on these, and the contract lists them.
func TestCodes_Contract(t *testing.T) {
	t.Parallel()
	got := []problem.Code{problem.Unknown, problem.Config, problem.Source, problem.Rights, problem.Mint, problem.Publish, problem.Revoke}
	if diff := cmp.Diff([]problem.Code{1, 2, 3, 4, 5, 6, 7}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAllTakesJoinedErrorsApart(t *testing.T) {
	t.Parallel()
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	both := problem.New(problem.Config, "do", errors.Join(a, b))
	for name, tt := range map[string]struct {
		err  error
		want []error
	}{
		"nothing":                       {nil, nil},
		"one":                           {a, []error{a}},
		"several, in order":             {errors.Join(c, a, b), []error{c, a, b}},
		"joins in joins":                {errors.Join(errors.Join(a, b), c), []error{a, b, c}},
		"a problem stays whole":         {errors.Join(both, c), []error{both, c}},
		"what was joined from nothings": {errors.Join(nil, a, nil), []error{a}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			same := cmp.Comparer(func(a, b error) bool { return a == b }) //nolint:errorlint // the very errors, not their kind
			if diff := cmp.Diff(tt.want, problem.ListErrors(tt.err), same); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	inputs := []string{"namespace", "role", "rules", "scope", "server", "timeout", "KUBEMINT_NAMESPACE"}
	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	for name, tt := range map[string]struct {
		word  string
		among []string
		want  string
	}{
		"itself":                             {"role", inputs, "role"},
		"a letter too few":                   {"namespce", inputs, "namespace"},
		"a letter too many":                  {"rolle", inputs, "role"},
		"another letter":                     {"skope", inputs, "scope"},
		"two swapped: one edit":              {"roel", inputs, "role"},
		"two swapped at the end":             {"timeotu", inputs, "timeout"},
		"two swapped at the start":           {"ptach", verbs, "patch"},
		"two edits":                          {"timeeoutt", inputs, "timeout"},
		"three edits":                        {"ttimeeoutt", inputs, ""},
		"a swap and a letter, apart":         {"KUBEMINT_NMAESPACES", inputs, "KUBEMINT_NAMESPACE"},
		"the nearer one":                     {"updat", []string{"uploads", "update"}, "update"},
		"the first of equally near ones":     {"lists", []string{"lista", "listb"}, "lista"},
		"nothing near":                       {"banana", inputs, ""},
		"one edit of three letters":          {"gte", verbs, "get"},
		"two edits of three are most of it":  {"put", verbs, ""},
		"two edits of four are half of it":   {"rlue", []string{"role"}, ""},
		"one edit of two letters is half":    {"gt", []string{"go"}, ""},
		"another capital is another letter":  {"ROLE", inputs, ""},
		"no word":                            {"", inputs, ""},
		"nothing to choose from":             {"role", nil, ""},
		"an empty candidate":                 {"a", []string{""}, ""},
		"a letter of two bytes is two edits": {"rôle", inputs, "role"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := problem.NearestWord(tt.word, tt.among); got != tt.want {
				t.Errorf("Nearest(%q) = %q, want %q", tt.word, got, tt.want)
			}
		})
	}
}

// Nobody mistypes a word of hundreds of letters, and a hostile file can have two of them with any length.
func TestNearestLeavesLongWordsAlone(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 257)
	for word, among := range map[string]string{long: long[:256], long[:256]: long} {
		if got := problem.NearestWord(word, []string{among}); got != "" {
			t.Errorf("of %d letters, among one of %d: found", len(word), len(among))
		}
	}
	if got := problem.NearestWord(long[:255], []string{long[:256]}); got != long[:256] {
		t.Error("one of 255 letters is looked for")
	}
}
