package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Bounds of what is parsed. An object in etcd has 1.5 MiB at most; comparing rules costs the product of their sizes.
const (
	maxText   = 1 << 20
	maxRules  = 1000
	maxGrants = 20_000 // verbs × groups × resources × names, over all rules
	maxFaults = 50
)

const blanks = " \t\r"

// Parse reads rules from shorthand or YAML; see the package's documentation for both and for how they are told apart.
// Its error is a join of all faults, each a line for a person: "line 3: unknown verb "lst": did you mean "list"?". Text
// without any rule is an error, since it would grant nothing and take away what was granted.
func Parse(text string) ([]rbacv1.PolicyRule, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("the rules have %d bytes, the limit is %d", len(text), maxText)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	b := &builder{}
	if isYAML(text) {
		parseYAML(b, text)
	} else {
		parseShorthand(b, text)
	}
	if len(b.faults) == 0 && len(b.rules) == 0 {
		return nil, errors.New("no rule found: the shorthand is VERBS RESOURCES [NAMES], as in get,list pods")
	}
	if len(b.faults) > 0 {
		return nil, errors.Join(b.faults...)
	}
	return b.rules, nil
}

func isYAML(text string) bool {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		return strings.ContainsRune("-{[%", rune(words[0][0])) || strings.HasSuffix(words[0], ":")
	}
	return false
}

// builder gathers rules and faults, and stops both where there are too many.
type builder struct {
	rules  []rbacv1.PolicyRule
	faults []error
	grants int
	full   bool
}

// fault records an error and where it is.
func (b *builder) fault(where string, err error) {
	if len(b.faults) >= maxFaults {
		b.full = true
		err = errors.New("there are more faults from here on")
	}
	b.faults = append(b.faults, fmt.Errorf("%s: %w", where, err))
}

// fits counts a rule before anything looks at its parts, and is false when there is too much: parts multiply, and YAML
// aliases repeat them.
func (b *builder) fits(where string, counts ...int) bool {
	product := 1
	for _, n := range counts {
		product = min(product*max(n, 1), maxGrants+1)
	}
	if b.grants += product; b.grants > maxGrants || len(b.rules) >= maxRules {
		b.fault(where, fmt.Errorf("too much: the limits are %d rules, and %d combinations of verb, resource and name", maxRules, maxGrants))
		b.full = true
	}
	return !b.full
}

// add appends the line's rules, or all of its faults: those found in its targets, and those of its verbs and names.
// custom says that no target is Kubernetes' own, so that a verb that resembles none may be known to its API.
func (b *builder) add(where string, verbs []word, targets []target, names []word, faults []error, custom bool) {
	l := line{targets: targets}
	url := slices.ContainsFunc(targets, func(t target) bool { return t.url != "" })
	if url && (len(names) > 0 || slices.ContainsFunc(targets, func(t target) bool { return t.url == "" })) {
		faults = append(faults, errors.New("URLs have neither names nor resources beside them: write a rule for each"))
	}
	for _, verb := range verbs {
		if err := checkVerb(verb.text, url, custom); err != nil && !verb.quoted {
			faults = append(faults, err)
		}
		l.verbs = append(l.verbs, verb.text)
	}
	for _, name := range names {
		if err := checkName(name.text); err != nil && !name.quoted {
			faults = append(faults, err)
		}
		l.names = append(l.names, name.text)
	}
	for _, err := range faults {
		if b.full {
			return
		}
		b.fault(where, err)
	}
	if len(faults) == 0 {
		b.rules = append(b.rules, l.rules()...)
	}
}

func parseShorthand(b *builder, text string) {
	number := 0
	for text := range strings.Lines(text) {
		number++
		where := "line " + strconv.Itoa(number)
		columns, err := split(strings.TrimSuffix(text, "\n"))
		switch {
		case err != nil:
			b.fault(where, err)
		case len(columns) == 0:
		case len(columns) == 1 || len(columns) > 3:
			b.fault(where, errors.New("a rule is VERBS RESOURCES [NAMES], with no space inside a list"))
		default:
			names := slices.Concat(columns[2:]...)
			if !b.fits(where, len(columns[0]), len(columns[1]), len(names)) {
				return
			}
			var targets []target
			var faults []error
			for _, w := range columns[1] {
				t, err := resolve(w)
				if err != nil {
					faults = append(faults, err)
				}
				targets = append(targets, t)
				if len(faults) > maxFaults { // the nearest word has its cost
					break
				}
			}
			b.add(where, columns[0], targets, names, faults, false)
		}
		if b.full {
			return
		}
	}
}

// resolve makes a target of a word of the second column.
func resolve(w word) (target, error) {
	if strings.HasPrefix(w.text, "/") {
		if w.quoted {
			return target{url: w.text}, nil
		}
		return target{url: w.text}, checkURL(w.text)
	}
	head, sub, slash := strings.Cut(w.text, "/")
	resource, group, dot := strings.Cut(head, ".")
	t := target{group: group, resource: resource}
	if slash {
		t.resource += "/" + sub
	}
	if w.quoted {
		return t, nil
	}
	if !dot {
		of, ok := groupOf(resource)
		if !ok {
			if near, _ := suggest(resource, ""); near != "" {
				return t, fmt.Errorf("unknown resource %s: did you mean %q?", shown(resource), near)
			}
			return t, fmt.Errorf("unknown resource %s: one that is not built in is written with its group, as in widgets.example.com",
				shown(resource))
		}
		t.group = of
	}
	if err := checkGroup(t.group); err != nil {
		return t, err
	}
	return t, checkResource(t.group, t.resource)
}

// word is an item of a list. A quoted one is taken as it stands.
type word struct {
	text   string
	quoted bool
}

// split cuts a line into columns, and those into the items of their lists.
func split(line string) ([][]word, error) {
	var columns [][]word
	for line = strings.TrimLeft(line, blanks); line != "" && line[0] != '#'; line = strings.TrimLeft(line, blanks) {
		var list []word
		for more := true; more; {
			w, size, err := first(line)
			if err != nil {
				return nil, err
			}
			list = append(list, w)
			line, more = strings.CutPrefix(line[size:], ",")
		}
		if line != "" && !strings.ContainsRune(blanks, rune(line[0])) {
			return nil, errors.New("a quote begins or ends inside a word")
		}
		columns = append(columns, list)
	}
	return columns, nil
}

// first returns the item that the text starts with, and its size there.
func first(text string) (word, int, error) {
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return word{}, 0, errors.New("a quote that does not end, or an escape that does not exist")
		}
		plain, err := strconv.Unquote(quoted)
		return word{plain, true}, len(quoted), err
	}
	size := strings.IndexAny(text, blanks+`,"`)
	if size < 0 {
		size = len(text)
	}
	if size == 0 {
		return word{}, 0, errors.New("an empty item beside a comma: lists are written without spaces")
	}
	return word{text: text[:size]}, size, nil
}
