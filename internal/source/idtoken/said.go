package idtoken

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/issuer"
)

// claims are those of an ID token, which nobody here has verified.
type claims map[string]any

// said holds the claims that a refusal shows.
type said struct {
	lines []string // a claim each, such as "aud: kubernetes"
	// trust is the command that prints the API server's trust in such tokens, "" where the system
	// is not known.
	trust string
	// user ends the name of the user that this trust makes of the token
	user string
}

// longestClaim keeps an error readable, in characters.
const longestClaim = 200

// readToken reads an ID token, nil where it is not a JSON Web Token.
func readToken(token secret.Value) *said {
	decoded, err := token.Claims()
	var all claims
	if err != nil || json.Unmarshal([]byte(decoded.Payload), &all) != nil {
		return nil
	}
	names := []string{"iss", "aud", "sub"}
	says := &said{}
	if system, known := all.recognise(); known {
		fields := system.Claims
		names = append(names, fields.ID, fields.Owner, fields.Ref, issuer.Environment)
		says.trust = "kubemint bootstrap" + all.listFlags(system)
		says.user = fields.ID + ":" + all.word(fields.ID)
	}
	for _, name := range names {
		if text := formatClaim(all[name]); text != "" {
			says.lines = append(says.lines, name+": "+problem.ShortenText(text, longestClaim))
		}
	}
	if end, ok := all["exp"].(float64); ok && end > 0 && end < 1<<40 {
		says.lines = append(says.lines, "exp: "+time.Unix(int64(end), 0).UTC().Format(time.RFC3339))
	}
	return says
}

// formatClaim returns a claim for people: text, or a list of texts (of audiences).
func formatClaim(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case []any:
		texts := make([]string, len(value))
		for i, each := range value {
			texts[i] = fmt.Sprint(each)
		}
		return strings.Join(texts, ", ")
	}
	return fmt.Sprint(value)
}

// recognise finds the system by the claims that name a repository, since an instance can have any
// issuer.
func (c claims) recognise() (issuer.System, bool) {
	for _, system := range issuer.Systems() {
		path, _ := c[system.Claims.Path].(string)
		if id, _ := c[system.Claims.ID].(string); id != "" && system.HasForm(path) {
			return system, true
		}
	}
	return issuer.System{}, false
}

// listFlags returns the flags of bootstrap for such a token.
func (c claims) listFlags(system issuer.System) string {
	fields := system.Claims
	flags := " --trust " + system.Name + ":" + c.word(fields.Path)
	add := func(flag, value string) {
		if value != "" {
			flags += " --" + flag + " " + value
		}
	}
	add("id", c.word(fields.ID))
	add("owner-id", c.word(fields.Owner))
	environment := c.word(issuer.Environment)
	add("environment", environment)
	ref := c.word(fields.Ref)
	isNamed := strings.HasPrefix(ref, "refs/heads/") || strings.HasPrefix(ref, "refs/tags/")
	if environment == "" && isNamed {
		add("ref", ref)
	}
	if at := c.word("iss"); at != system.URL {
		add("issuer", at)
	}
	return flags
}

// word returns a claim that a shell takes unquoted and that cannot be mistaken for a flag, "" for
// any other.
func (c claims) word(name string) string {
	value, _ := c[name].(string)
	plain := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:@._/-]*$`)
	if len(value) > longestClaim || !plain.MatchString(value) {
		return ""
	}
	return value
}
