package platform

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/kubemint/kubemint/internal/owner"
)

// identity says to whom a job belongs, as its CI system tells it.
type identity struct {
	system   string // github
	id       string // survives renaming or transferring the repository; "" where the system has none
	name     string // for people: acme/shop
	instance string // tells servers with the same ids or names apart; "" is the public one
	before   string // the system in marks of earlier versions; "" where they had none
}

// addOwner completes the marks of a run with its owner.
func (i identity) addOwner(marks owner.Marks) owner.Marks {
	byName := i.ownerOf(i.name)
	marks.OwnerName = boundOwner(i.name)
	if marks.Owner = i.ownerOf(i.id); marks.Owner == "" {
		marks.Owner = byName
	}
	formerly := []string{byName}
	if i.before != "" && i.name != "" {
		formerly = append(formerly, boundOwner(i.before+":"+i.name))
	}
	for _, name := range formerly {
		if name != "" && name != marks.Owner && !slices.Contains(marks.Formerly, name) {
			marks.Formerly = append(marks.Formerly, name)
		}
	}
	return marks
}

// ownerOf returns the owner with an id or a name in this system and instance, "" for none.
func (i identity) ownerOf(what string) string {
	if what == "" {
		return ""
	}
	owner := i.system + ":" + what
	if i.instance != "" {
		owner += "@" + i.instance
	}
	return boundOwner(owner)
}

// mostOfOwner bounds the length of an owner.
const mostOfOwner = 253

// boundOwner returns a value that is on one line and within bounds unchanged. It hashes any other,
// so that no two owners become one.
func boundOwner(value string) string {
	if len(value) <= mostOfOwner && !strings.ContainsFunc(value, unicode.IsControl) {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// joinIDs joins the ids of an owner. It returns "" unless all of them are set and look like ids, so
// that a name cannot be mistaken for one.
func joinIDs(values ...string) string {
	const characters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-"
	for i, value := range values {
		values[i] = strings.Trim(value, "{}") // Bitbucket's UUIDs have braces
		if values[i] == "" || strings.Trim(values[i], characters) != "" {
			return ""
		}
	}
	return strings.Join(values, "/")
}

// normalizeInstance returns a server as part of an owner: host and path of its URL, or "" for the
// public one. The scheme and its default port do not count.
func normalizeInstance(server, public string) string {
	server = strings.TrimSpace(server)
	if server == "" {
		return ""
	}
	if !strings.Contains(server, "://") {
		server = "https://" + server
	}
	parsed, err := url.Parse(server)
	if err != nil || parsed.Host == "" {
		return boundOwner(server)
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

// instanceOf returns the instance that serves a page.
func instanceOf(page string) string {
	parsed, err := url.Parse(page)
	if err != nil || parsed.Host == "" {
		return ""
	}
	return normalizeInstance(parsed.Scheme+"://"+parsed.Host, "")
}
