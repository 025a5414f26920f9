package clouds

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// AWS is STS in every region, and the authenticator of one EKS cluster. It knows signatures by AWS's specification and
// tokens by what aws-iam-authenticator's server checks (pkg/token, Verify), and is stricter than both where only a client's
// mistake could be meant. Its exported fields are set before it is used.
type AWS struct {
	Cluster string             // x-k8s-aws-id that tokens must be signed with
	Region  string             // of the cluster: tokens of another partition are refused
	Keys    map[string]AWSKey  // by access key ID
	Roles   map[string]AWSRole // by ARN
	Groups  []string           // of everybody whose token is good
	Now     func() time.Time   // nil: time.Now

	mu       sync.Mutex
	failures []AWSFailure
	asked    []string
}

// AWSKey holds what belongs to an access key ID.
type AWSKey struct {
	Secret, Session string    // no Session: a user's own key
	ARN             string    // of the user or of the assumed role: the name that Verify gives
	Expires         time.Time // zero: never
}

// AWSRole is the trust policy of a role.
type AWSRole struct {
	Caller      string                   // ARN of the principal allowed to assume it; empty: nobody
	ExternalID  string                   // that the caller has to give; empty: none
	WebIdentity func(token string) error // nil where the token may assume it; no function: none may
}

// AWSFailure is an answer of STS that is no success.
type AWSFailure struct {
	Status        int
	Code, Message string
}

func (f AWSFailure) Error() string { return f.Code + ": " + f.Message }

// NewAWS knows nobody yet.
func NewAWS(cluster, region string) *AWS {
	return &AWS{Cluster: cluster, Region: region, Keys: map[string]AWSKey{}, Roles: map[string]AWSRole{}}
}

// FailNext has the next requests to STS answered with these failures, one each.
func (a *AWS) FailNext(failures ...AWSFailure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures = append(a.failures, failures...)
}

// Asked lists the requests to STS, in order: "HOST ACTION ROLE SESSION-NAME SECONDS".
func (a *AWS) Asked() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// Verify says whose a token of EKS is, as the cluster's webhook does together with STS.
func (a *AWS) Verify(bearer string) (user string, groups []string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	code, ok := strings.CutPrefix(bearer, "k8s-aws-v1.")
	if !ok || len(bearer) > 4096 {
		return "", nil, fmt.Errorf("the token does not begin with k8s-aws-v1., or has more than 4096 bytes: %d", len(bearer))
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(code)
	if err != nil {
		return "", nil, err
	}
	at, err := url.Parse(string(text))
	if err != nil {
		return "", nil, err
	}
	region, err := awsSTSRegion(at.Host)
	switch {
	case err != nil:
		return "", nil, err
	case awsPartition(region) != awsPartition(a.Region):
		return "", nil, fmt.Errorf("%s is in the partition %s, and the cluster in %s", at.Host, awsPartition(region), awsPartition(a.Region))
	case at.Scheme != "https" || at.Path != "/" || at.User != nil || at.Fragment != "":
		return "", nil, errors.New("the URL is not https://HOST/?QUERY")
	}
	query, err := url.ParseQuery(at.RawQuery)
	if err != nil {
		return "", nil, err
	}
	wanted := []string{"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature", "X-Amz-SignedHeaders"}
	for name, values := range query {
		if name != "X-Amz-Security-Token" && !slices.Contains(wanted, name) || len(values) != 1 {
			return "", nil, fmt.Errorf("parameter %s is not allowed, or given more than once", name)
		}
	}
	for _, name := range wanted {
		if query.Get(name) == "" {
			return "", nil, fmt.Errorf("parameter %s is missing", name)
		}
	}
	expires, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	date, err2 := time.Parse(awsTime, query.Get("X-Amz-Date"))
	switch age := a.now().Sub(date); {
	case query.Get("Action") != "GetCallerIdentity" || query.Get("Version") != "2011-06-15":
		return "", nil, errors.New("the URL is for another action or version")
	case query.Get("X-Amz-SignedHeaders") != "host;x-k8s-aws-id": // the server sends no other that could be signed
		return "", nil, fmt.Errorf("the signed headers are %s", query.Get("X-Amz-SignedHeaders"))
	case err != nil || err2 != nil || expires < 0 || expires > 900:
		return "", nil, errors.New("X-Amz-Expires or X-Amz-Date is not valid")
	case age > 15*time.Minute || age < -5*time.Minute:
		return "", nil, fmt.Errorf("the token has expired, or is of the future: it is %s old", age)
	}
	s := awsSignature{
		algorithm: query.Get("X-Amz-Algorithm"), credential: query.Get("X-Amz-Credential"), date: query.Get("X-Amz-Date"),
		headers: query.Get("X-Amz-SignedHeaders"), value: query.Get("X-Amz-Signature"), session: query.Get("X-Amz-Security-Token"), region: region,
	}
	query.Del("X-Amz-Signature")
	key, err := a.check(s, http.MethodGet, query, map[string]string{"host": at.Host, "x-k8s-aws-id": a.Cluster}, nil)
	if err != nil {
		return "", nil, err
	}
	return key.ARN, a.Groups, nil
}

// ServeHTTP answers AssumeRole and AssumeRoleWithWebIdentity.
func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	in, id, err := a.answer(r)
	if err != nil {
		failure := AWSFailure{http.StatusBadRequest, "ValidationError", err.Error()}
		_ = errors.As(err, &failure)
		var message strings.Builder
		_ = xml.EscapeText(&message, []byte(failure.Message))
		w.WriteHeader(failure.Status)
		fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code>`+
			`<Message>%s</Message></Error><RequestId>made-up</RequestId></ErrorResponse>`, failure.Code, message.String())
		return
	}
	key := a.Keys[id]
	fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult>`+
		`<AssumedRoleUser><AssumedRoleId>AROAMADEUP:%[2]s</AssumedRoleId><Arn>%[3]s/%[2]s</Arn></AssumedRoleUser>`+
		`<Credentials><AccessKeyId>%[4]s</AccessKeyId><SecretAccessKey>%[5]s</SecretAccessKey><SessionToken>%[6]s</SessionToken>`+
		`<Expiration>%[7]s</Expiration></Credentials></%[1]sResult><ResponseMetadata><RequestId>made-up</RequestId></ResponseMetadata></%[1]sResponse>`,
		in.Get("Action"), in.Get("RoleSessionName"), key.ARN, id, key.Secret, key.Session, key.Expires.UTC().Format(time.RFC3339))
}

// answer checks a request and makes a new key, which is known from now on.
func (a *AWS) answer(r *http.Request) (in url.Values, id string, err error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err != nil {
		return nil, "", err
	}
	in, err = url.ParseQuery(string(body))
	if err != nil {
		return nil, "", err
	}
	a.asked = append(a.asked, strings.Join([]string{r.Host, in.Get("Action"), in.Get("RoleArn"), in.Get("RoleSessionName"), in.Get("DurationSeconds")}, " "))
	if len(a.failures) > 0 {
		err, a.failures = a.failures[0], a.failures[1:]
		return nil, "", err
	}
	region, err := awsSTSRegion(r.Host)
	if err == nil {
		err = wellFormed(r, in, awsPartition(region))
	}
	if err == nil {
		err = a.authorize(r, region, in, body)
	}
	if err != nil {
		return nil, "", err
	}
	seconds, err := strconv.Atoi(in.Get("DurationSeconds"))
	id = "ASIA" + rand.Text()[:16]
	a.Keys[id] = AWSKey{
		Secret: rand.Text()[:18] + "/+" + rand.Text()[:20], Session: strings.Repeat(rand.Text()+"/+=", 30), // about as long as AWS's
		ARN: in.Get("RoleArn"), Expires: a.now().Add(time.Duration(seconds) * time.Second),
	}
	return in, id, err
}

// wellFormed finds what a client of STS must not send.
func wellFormed(r *http.Request, in url.Values, partition string) error {
	own, action := "ExternalId", in.Get("Action")
	if action == "AssumeRoleWithWebIdentity" {
		own = "WebIdentityToken"
	}
	for name, values := range in {
		if !slices.Contains([]string{"Action", "Version", "RoleArn", "RoleSessionName", "DurationSeconds", own}, name) || len(values) != 1 || values[0] == "" {
			return fmt.Errorf("parameter %s is not allowed, empty, or given more than once", name)
		}
	}
	seconds, err := strconv.Atoi(in.Get("DurationSeconds"))
	arn := strings.Split(in.Get("RoleArn"), ":")
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/" || r.URL.RawQuery != "" || r.TLS == nil:
		return errors.New("not a POST to https://HOST/")
	case r.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
		return fmt.Errorf("the content type is %s", r.Header.Get("Content-Type"))
	case action != "AssumeRole" && action != "AssumeRoleWithWebIdentity" || in.Get("Version") != "2011-06-15":
		return fmt.Errorf("could not find operation %s of version %s", action, in.Get("Version"))
	case !awsSessionName.MatchString(in.Get("RoleSessionName")) || err != nil || seconds < 900 || seconds > 43200:
		return errors.New("the session's name or duration is not valid")
	case len(arn) != 6 || arn[1] != partition:
		return fmt.Errorf("%s is invalid in the partition %s", in.Get("RoleArn"), partition)
	}
	return nil
}

// authorize says whether the caller may assume the role.
func (a *AWS) authorize(r *http.Request, region string, in url.Values, body []byte) error {
	role := a.Roles[in.Get("RoleArn")]
	if in.Get("Action") == "AssumeRole" {
		caller, err := a.caller(r, region, body)
		if err == nil && (role.Caller != caller.ARN || role.ExternalID != in.Get("ExternalId")) {
			err = AWSFailure{http.StatusForbidden, "AccessDenied", "User: " + caller.ARN + " is not authorized to perform: sts:AssumeRole on resource: " + in.Get("RoleArn")}
		}
		return err
	}
	switch {
	case r.Header.Get("Authorization") != "" || r.Header.Get("X-Amz-Security-Token") != "":
		return errors.New("the request is signed")
	case role.WebIdentity == nil:
		return AWSFailure{http.StatusForbidden, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"}
	}
	err := role.WebIdentity(in.Get("WebIdentityToken"))
	if failure := (AWSFailure{}); err != nil && !errors.As(err, &failure) {
		return AWSFailure{http.StatusBadRequest, "InvalidIdentityToken", err.Error()}
	}
	return err
}

func (a *AWS) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

var awsSessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
