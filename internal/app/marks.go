package app

import "github.com/kubemint/kubemint/internal/access"

// marks say on whose behalf this run acts: the platform's, but for what the inputs say. An owner that is
// given counts, and what the platform's own owner has made is still this run's.
func (r *run) marks() access.Marks {
	marks := r.platform.Marks()
	marks.Labels = r.cfg.Marks.Labels
	given := r.cfg.Marks.Owner
	if given == "" {
		return marks
	}
	if marks.Owner != "" {
		marks.Formerly = append(marks.Formerly, marks.Owner)
	}
	marks.Owner = given
	marks.OwnerName = ""
	return marks
}
