// Package syntax reads rules that a person wrote: the shorthand, or YAML.
//
// # Shorthand
//
// One rule a line, or several with ; between them; lists have commas and no spaces; # begins a
// comment:
//
//	VERBS            RESOURCES                                 [NAMES]
//	get,list,watch   pods,pods/log,deployments
//	get,patch        deployments.apps,deployments.apps/scale
//	get,update       configmaps                                app-config,feature-flags
//	*                *.batch
//	cluster  get     /healthz,/metrics,/api/*
//
// The word cluster before a rule grants it at cluster scope, wherever the others go: see [Scoped].
//
// A resource is NAME[.GROUP][/SUBRESOURCE]:
//
//	pods, deployments      a built-in resource, of its own group (events is that of the core group;
//	                       the other one is events.events.k8s.io)
//	widgets.example.com    a resource of another group, taken as written
//	*, *.batch, *.*        every resource, subresources included, of the core group, of batch, of every group
//	*/scale, *.apps/scale  this subresource of every resource of the core group, of apps
//	pods.*                 resources of this name in every group
//
// Resources of different groups in one line become one PolicyRule a group, so that nothing is
// granted that was not written. A line with URLs has no resources and no names.
//
// An unknown verb, built-in resource or group is an error that names the nearest one. Two things
// may be unknown: a verb for resources outside the built-in groups, and a resource that is written
// with a built-in group (but the core group) and resembles nothing that is known, since a newer
// cluster can have it. Names with a space or a comma need YAML.
//
// # YAML
//
// A list of PolicyRules, an object with rules, or manifests of Roles and ClusterRoles, in several
// documents or in Lists, also as JSON. Only the rules of a manifest count. Objects of other kinds
// are skipped, and the caller learns their kinds. Text is YAML if its first line that is neither
// blank nor a comment begins with -, {, [ or %, or if the first word of that line ends with a
// colon; else it is shorthand. Fields are decoded strictly. A rule has to pass the API server's
// checks (a verb; a URL, or a group and a resource) and those of the shorthand. All its groups
// times all its resources are granted, including combinations that do not exist; a resource that
// none of its groups can have is a slip. YAML has no word for the cluster scope.
//
// In: text. Out: [Scoped] rules, or every fault with its line. It imports rules, rules/names and
// rules/syntax/mistyped.
package syntax
