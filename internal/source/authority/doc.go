// Package authority reads the input `certificate_authority`: PEM, its base64, or a path.
//
// In: the input's value. Out: an [Authority], or an error of code [problem.Config] that shows
// nothing of the content. It imports disk, problem, source/certs and source/form.
package authority
