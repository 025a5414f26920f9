package session

import (
	"strings"

	"github.com/kubemint/kubemint/internal/owner"
)

// The bounds of the words of a User-Agent, in bytes. Together they keep it within 200, since audit
// logs cut long ones.
const (
	mostOfVersion = 29
	mostOfOwner   = 80
	mostOfRun     = 30
	mostOfJob     = 39
)

// formatUserAgent names the program and the run on whose behalf it asks, for whoever reads the audit
// log: kubemint/1.2.3 (github:acme/shop run 42 job deploy). It is a comment of RFC 9110, section
// 10.1.5, without any character that could end it, and each value is one word, so that a job's name
// cannot pass for a run. A run without an owner is not named.
func formatUserAgent(version string, marks owner.Marks) string {
	agent := "kubemint/" + cleanWord(version, mostOfVersion)
	owner := cleanWord(nameOwner(marks), mostOfOwner)
	if owner == "" {
		return agent
	}
	words := []string{owner}
	if run := cleanWord(shortenRun(marks.Run), mostOfRun); run != "" {
		words = append(words, "run", run)
	}
	if job := cleanWord(marks.Job, mostOfJob); job != "" {
		words = append(words, "job", job)
	}
	return agent + " (" + strings.Join(words, " ") + ")"
}

// nameOwner is the owner by its name where the platform says it, as github:acme/shop for
// github:1234.
func nameOwner(marks owner.Marks) string {
	system, id, found := strings.Cut(marks.Owner, ":")
	if marks.OwnerName == "" || !found || system == "sha256" { // a hash tells no system
		return marks.Owner
	}
	name := system + ":" + marks.OwnerName
	if _, instance, other := strings.Cut(id, "@"); other {
		name += "@" + instance
	}
	return name
}

// shortenRun is the number at the end of a run's URL: the owner says where it ran.
func shortenRun(run string) string {
	run = strings.TrimRight(run, "/")
	return run[strings.LastIndexAny(run, "/=")+1:]
}

// cleanWord makes text one word of printable ASCII, without what begins, ends or escapes in a
// comment.
func cleanWord(text string, most int) string {
	clean := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(`()\`, r) {
			return '_'
		}
		return r
	}, strings.TrimSpace(text))
	return clean[:min(len(clean), most)]
}
