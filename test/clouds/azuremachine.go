package clouds

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// IMDS is the host of the endpoint that gives machines of Azure the tokens of their identities.
const IMDS = "169.254.169.254"

// machine is IMDS, which answers only what names the header, comes through no proxy, and asks for what is assigned.
func (e *Entra) machine(w http.ResponseWriter, r *http.Request) {
	bad := func(text string) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_request", "error_description": text})
	}
	query := r.URL.Query()
	var unknown bool
	found := slices.Clone(e.applications)
	for name := range query {
		found = slices.DeleteFunc(found, func(a Application) bool {
			return !a.Machine || name == "client_id" && query.Get(name) != a.ID || name == "msi_res_id" && query.Get(name) != a.Resource
		})
		unknown = unknown || !slices.Contains([]string{"api-version", "resource", "client_id", "msi_res_id"}, name)
	}
	switch {
	case r.Method != http.MethodGet:
		http.Error(w, "", http.StatusMethodNotAllowed)
	case r.Header.Get("Metadata") != "true" || r.Header.Get("X-Forwarded-For") != "":
		bad("Required metadata header not specified")
	case unknown || query.Get("api-version") != "2018-02-01" || query.Get("resource") == "" || strings.HasSuffix(query.Get("resource"), "/.default"):
		bad("Required query variables 'api-version' and 'resource' are missing or not valid")
	case e.unavailable(w):
	case len(found) == 0:
		bad("Identity not found")
	case len(found) > 1:
		bad("Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request")
	default:
		bearer, until := e.issue("machine", found[0], query.Get("resource"))
		life, end := strconv.Itoa(int(time.Until(until).Seconds())), strconv.FormatInt(until.Unix(), 10)
		entraSends(w, map[string]any{
			"access_token": bearer, "client_id": found[0].ID, "expires_in": life, "ext_expires_in": life, "expires_on": end,
			"not_before": strconv.FormatInt(time.Now().Unix(), 10), "resource": query.Get("resource"), "token_type": "Bearer",
		})
	}
}

// issue makes a token. Clients do not look inside: it only has to be known here.
func (e *Entra) issue(how string, a Application, resource string) (bearer string, until time.Time) {
	life := e.Life
	if life == 0 {
		life = time.Hour
	}
	now := time.Now()
	until = now.Add(life)
	bearer = entraSegment(map[string]any{"typ": "JWT", "alg": "RS256", "kid": "of-entra"}) + "." + entraSegment(map[string]any{
		"aud": resource, "iss": "https://sts.windows.net/" + e.tenant + "/", "iat": now.Unix(), "nbf": now.Unix(), "exp": until.Unix(),
		"appid": a.ID, "oid": a.Object, "sub": a.Object, "tid": e.tenant, "idtyp": "app", "ver": "1.0", "uti": rand.Text(),
	}) + "." + rand.Text()
	e.issued[bearer] = entraGrant{a, resource, until}
	e.grants = append(e.grants, how+" "+a.ID)
	return bearer, until
}

func entraSegment(v map[string]any) string {
	text, _ := json.Marshal(v) // text and numbers marshal
	return base64.RawURLEncoding.EncodeToString(text)
}
