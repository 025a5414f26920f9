// Package rules is RBAC rules as a value: shorthand or YAML in, shorthand out, and whether one set of rules
// covers another.
//
// # Shorthand
//
// One rule a line, or several with ; between them; lists with commas and without spaces; # before a
// comment:
//
// VERBS            RESOURCES                                 [NAMES] get,list,watch
// pods,pods/log,deployments get,patch        deployments.apps,deployments.apps/scale get,update
// configmaps                                app-config,feature-flags *                *.batch cluster  get
// /healthz,/metrics,/api/*
//
// The word cluster before a rule grants it at cluster scope, wherever the others go: see [Scoped].
//
// A resource is NAME[.GROUP][/SUBRESOURCE]:
//
// pods, deployments    a built-in resource, of the group that it belongs to (events is that of the core
// group; the other one is events.events.k8s.io) widgets.example.com  a resource of another group, taken as
// written *, *.batch, *.*      every resource, subresources included, of the core group, of batch, of every
// group */scale, *.apps/scale  this subresource of every resource of the core group, of apps pods.*
// resources of this name in every group
//
// Resources of different groups in one line become one PolicyRule a group, so that nothing is granted that
// was not written. A line with URLs has no resources and no names.
//
// What is no verb, built-in resource or group is an error that names the nearest one. Two things may be
// unknown: a verb for resources outside the built-in groups, and a resource that is written with a built-in
// group (but the core group) and resembles nothing that is known, since a newer cluster can have it. Names
// with a space or a comma need YAML.
//
// # YAML
//
// A list of PolicyRules, an object with rules, or manifests of Roles and ClusterRoles, of which only the
// rules count; in several documents or in Lists, and in JSON. Objects of other kinds between them are
// passed over, and their kinds told. Text is YAML if its first line that is neither blank nor a comment
// begins with -, {, [ or %, or if the first word of that line ends with a colon; else it is shorthand.
// Fields are decoded strictly. A rule is held to what the API server asks (a verb; a URL, or a group and a
// resource) and to the checks of the shorthand. All its groups times all its resources are granted,
// including combinations that do not exist; a resource that none of its groups can have is a slip. YAML has
// no word for the cluster scope.
//
// # Shorthand out
//
// [Format] prints rules merged and in one order, whatever the order they came in; [FormatCluster] puts the
// word cluster before each. For every rule that Parse returns, Parse(Format(x)) grants what x grants,
// unless a word is printed in quotes, with the escapes of Go: the shorthand cannot say it. (A rule read
// from a server can name what nothing can match, such as a resource with a dot in it; that prints, and may
// not read back.)
//
// # What rules mean
//
// [Covers], [Equal] and [Diff] compare what is granted as the API server's escalation check does. [Overlap]
// is what two sets of rules both grant: every request that both would allow, and no other. [Questions]
// takes rules apart into what an access review asks. [Caveats] tells of rules that seem to grant more than
// they do: creation or lists of named objects, resources of the cluster in a Role, exec by get alone, a
// group that is gone. [Unserved] compares resources that are not built in with those that a cluster serves.
//
// The room is pure. It imports problem and rules/mistyped.
package rules
