package platform

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/kubemint/kubemint/internal/access"
)

// identity is whom a CI system says that a job belongs to.
type identity struct {
	system   string // github
	id       string // stays when the repository is renamed or transferred; "" where the system names none
	name     string // for people: acme/shop
	instance string // of several that have the same ids or names; "" is the public one
	before   string // the system in the marks of earlier versions, before the name; "" where they had none
}

// mark completes the marks of a run with its owner.
func (i identity) mark(marks access.Marks) access.Marks {
	byName := i.owner(i.name)
	marks.OwnerName = bounded(i.name)
	if marks.Owner = i.owner(i.id); marks.Owner == "" {
		marks.Owner = byName
	}
	formerly := []string{byName}
	if i.before != "" && i.name != "" {
		formerly = append(formerly, bounded(i.before+":"+i.name))
	}
	for _, name := range formerly {
		if name != "" && name != marks.Owner && !slices.Contains(marks.Formerly, name) {
			marks.Formerly = append(marks.Formerly, name)
		}
	}
	return marks
}

// owner is an owner of this system and instance; "" for nothing.
func (i identity) owner(what string) string {
	if what == "" {
		return ""
	}
	owner := i.system + ":" + what
	if i.instance != "" {
		owner += "@" + i.instance
	}
	return bounded(owner)
}

// mostOfOwner is how long an owner may be.
const mostOfOwner = 253

// bounded keeps a value on one line and within bounds. Another one is hashed, so that no two owners become
// one.
func bounded(value string) string {
	if len(value) <= mostOfOwner && !strings.ContainsFunc(value, unicode.IsControl) {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ids joins what a system identifies an owner by. It is "" unless all of them are there and look like ids,
// with which a name cannot be mistaken for one.
func ids(values ...string) string {
	const characters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-"
	for i, value := range values {
		values[i] = strings.Trim(value, "{}") // Bitbucket's UUIDs have braces
		if values[i] == "" || strings.Trim(values[i], characters) != "" {
			return ""
		}
	}
	return strings.Join(values, "/")
}

// instance is a server as part of an owner: host and path of its URL, or "" for the public one. The scheme
// does not count, nor a port that the scheme has anyway.
func instance(server, public string) string {
	server = strings.TrimSpace(server)
	if server == "" {
		return ""
	}
	if !strings.Contains(server, "://") {
		server = "https://" + server
	}
	parsed, err := url.Parse(server)
	if err != nil || parsed.Host == "" {
		return bounded(server)
	}
	host := strings.ToLower(parsed.Host)
	for scheme, port := range map[string]string{"https": ":443", "http": ":80"} {
		if parsed.Scheme == scheme {
			host = strings.TrimSuffix(host, port)
		}
	}
	at := host + strings.TrimRight(path.Clean("/"+parsed.Path), "/")
	if at == public {
		return ""
	}
	return at
}

// hostOf is the instance of a page that lies somewhere on it.
func hostOf(page string) string {
	parsed, err := url.Parse(page)
	if err != nil || parsed.Host == "" {
		return ""
	}
	return instance(parsed.Scheme+"://"+parsed.Host, "")
}
