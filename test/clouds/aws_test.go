package clouds

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const awsTestUser = "arn:aws:iam::123456789012:user/ci"

func awsOfTest() *AWS {
	a := NewAWS("shop", "eu-west-1")
	a.Keys["AKIAMADEUP"] = AWSKey{Secret: "made-up", ARN: awsTestUser}
	a.Keys["ASIAMADEUP"] = AWSKey{Secret: "made-up", Session: "s/+=", ARN: awsTestUser, Expires: time.Now().Add(time.Minute)}
	a.Keys["ASIAOLD"] = AWSKey{Secret: "made-up", Session: "s/+=", ARN: awsTestUser, Expires: time.Now().Add(-time.Minute)}
	return a
}

// awsToken signs a token as a good client would who knows key ID and secret, after before has had its say, and lets after
// change it then.
func awsToken(id, cluster string, before, after func(u *url.URL, query url.Values)) string {
	now := time.Now().UTC()
	u := &url.URL{Scheme: "https", Host: "sts.eu-west-1.amazonaws.com", Path: "/"}
	query := url.Values{
		"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}, "X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Expires": {"60"},
		"X-Amz-SignedHeaders": {"host;x-k8s-aws-id"}, "X-Amz-Date": {now.Format(awsTime)},
		"X-Amz-Credential": {id + "/" + now.Format("20060102") + "/eu-west-1/sts/aws4_request"},
	}
	if strings.HasPrefix(id, "ASIA") {
		query.Set("X-Amz-Security-Token", "s/+=")
	}
	if before != nil {
		before(u, query)
	}
	canonical := "GET\n/\n" + strings.ReplaceAll(query.Encode(), "+", "%20") + "\nhost:" + u.Host + "\nx-k8s-aws-id:" + cluster + "\n\nhost;x-k8s-aws-id\n" +
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	_, scope, _ := strings.Cut(query.Get("X-Amz-Credential"), "/")
	key := []byte("AWS4made-up")
	for part := range strings.SplitSeq(scope, "/") {
		key = awsMAC(key, part)
	}
	text := "AWS4-HMAC-SHA256\n" + query.Get("X-Amz-Date") + "\n" + scope + "\n" + awsHash([]byte(canonical))
	query.Set("X-Amz-Signature", hex.EncodeToString(awsMAC(key, text)))
	if after != nil {
		after(u, query)
	}
	u.RawQuery = query.Encode()
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(u.String()))
}

// The example of AWS's documentation, so that the signature is not only what this repository thinks it is:
// https://docs.aws.amazon.com/general/latest/gr/signature-v4-examples.html
func TestAWSDerivesTheKeyOfTheDocumentation(t *testing.T) {
	key := []byte("AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
	for _, part := range []string{"20120215", "us-east-1", "iam", "aws4_request"} {
		key = awsMAC(key, part)
	}
	if got := hex.EncodeToString(key); got != "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d" {
		t.Error(got)
	}
}

func TestAWSTakesAGoodToken(t *testing.T) {
	a := awsOfTest()
	a.Groups = []string{"deployers"}
	for _, id := range []string{"AKIAMADEUP", "ASIAMADEUP"} {
		user, groups, err := a.Verify(awsToken(id, "shop", nil, nil))
		if err != nil || user != awsTestUser || !slices.Equal(groups, a.Groups) {
			t.Error(user, groups, err)
		}
	}
}

func TestAWSRefusesTokens(t *testing.T) {
	type change = func(u *url.URL, q url.Values)
	set := func(name string, values ...string) change { return func(_ *url.URL, q url.Values) { q[name] = values } }
	at := func(d time.Duration) change { return set("X-Amz-Date", time.Now().UTC().Add(d).Format(awsTime)) }
	host := func(host string) change { return func(u *url.URL, _ url.Values) { u.Host = host } }
	const wrong = "SignatureDoesNotMatch: The request signature we calculated"
	for name, c := range map[string]struct {
		token string
		want  string
	}{
		"of another cluster":       {awsToken("ASIAMADEUP", "other", nil, nil), wrong},
		"of another secret":        {awsToken("ASIAMADEUP", "shop", nil, set("X-Amz-Signature", strings.Repeat("0", 64))), wrong},
		"changed after signing":    {awsToken("ASIAMADEUP", "shop", nil, set("X-Amz-Expires", "61")), wrong},
		"of nobody":                {awsToken("AKIAOTHER", "shop", nil, nil), "InvalidClientTokenId"},
		"of another session":       {awsToken("ASIAMADEUP", "shop", set("X-Amz-Security-Token", "t"), nil), "InvalidClientTokenId"},
		"of no session":            {awsToken("ASIAMADEUP", "shop", func(_ *url.URL, q url.Values) { q.Del("X-Amz-Security-Token") }, nil), "InvalidClientTokenId"},
		"of expired keys":          {awsToken("ASIAOLD", "shop", nil, nil), "ExpiredToken"},
		"expired":                  {awsToken("ASIAMADEUP", "shop", at(-16*time.Minute), nil), "has expired, or is of the future"},
		"of the future":            {awsToken("ASIAMADEUP", "shop", at(6*time.Minute), nil), "has expired, or is of the future"},
		"without a date":           {awsToken("ASIAMADEUP", "shop", set("X-Amz-Date", ""), nil), "X-Amz-Date is missing"},
		"with a strange date":      {awsToken("ASIAMADEUP", "shop", set("X-Amz-Date", "today"), nil), "is not valid"},
		"valid for long":           {awsToken("ASIAMADEUP", "shop", set("X-Amz-Expires", "901"), nil), "is not valid"},
		"of another region":        {awsToken("ASIAMADEUP", "shop", set("X-Amz-Credential", "ASIAMADEUP/"+time.Now().UTC().Format("20060102")+"/eu-west-2/sts/aws4_request"), nil), "scoped to a valid region"},
		"for another action":       {awsToken("ASIAMADEUP", "shop", set("Action", "AssumeRole"), nil), "another action"},
		"of another algorithm":     {awsToken("ASIAMADEUP", "shop", set("X-Amz-Algorithm", "none"), nil), "SignatureDoesNotMatch"},
		"with one parameter more":  {awsToken("ASIAMADEUP", "shop", set("x-id", "GetCallerIdentity"), nil), "x-id is not allowed"},
		"with a parameter twice":   {awsToken("ASIAMADEUP", "shop", set("Version", "2011-06-15", "2011-06-15"), nil), "Version is not allowed, or given more than once"},
		"without the cluster":      {awsToken("ASIAMADEUP", "shop", set("X-Amz-SignedHeaders", "host"), nil), "the signed headers are host"},
		"with another header":      {awsToken("ASIAMADEUP", "shop", set("X-Amz-SignedHeaders", "accept;host;x-k8s-aws-id"), nil), "the signed headers are accept"},
		"over http":                {awsToken("ASIAMADEUP", "shop", func(u *url.URL, _ url.Values) { u.Scheme = "http" }, nil), "not https"},
		"of another path":          {awsToken("ASIAMADEUP", "shop", func(u *url.URL, _ url.Values) { u.Path = "/x" }, nil), "not https"},
		"of another host":          {awsToken("ASIAMADEUP", "shop", host("sts.eu-west-1.amazonaws.com.example.com"), nil), "is no host of STS"},
		"of no region":             {awsToken("ASIAMADEUP", "shop", host("sts.evil.amazonaws.com"), nil), "is no host of STS"},
		"of another service":       {awsToken("ASIAMADEUP", "shop", host("eu-west-1.amazonaws.com"), nil), "is no host of STS"},
		"of another port":          {awsToken("ASIAMADEUP", "shop", host("sts.eu-west-1.amazonaws.com:444"), nil), "is no host of STS"},
		"of another partition":     {awsToken("ASIAMADEUP", "shop", host("sts.cn-north-1.amazonaws.com.cn"), nil), "is in the partition aws-cn"},
		"of GovCloud":              {awsToken("ASIAMADEUP", "shop", host("sts.us-gov-west-1.amazonaws.com"), nil), "is in the partition aws-us-gov"},
		"without the prefix":       {strings.TrimPrefix(awsToken("ASIAMADEUP", "shop", nil, nil), "k8s-aws-v1."), "does not begin with"},
		"with padding":             {awsToken("ASIAMADEUP", "shop", nil, nil) + "=", "illegal base64"},
		"longer than 4096":         {awsToken("ASIAMADEUP", "shop", nil, set("X-Amz-Signature", strings.Repeat("0", 4000))), "more than 4096 bytes"},
		"a token of somebody else": {"eyJhbGciOiJub25lIn0.e30.x", "does not begin with"},
	} {
		if user, _, err := awsOfTest().Verify(c.token); err == nil || user != "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v", name, user, err)
		}
	}
}

// What no client sends here is refused as STS would, or as a mistake. The good requests are those of internal/source/cloud.
func TestAWSRefusesRequests(t *testing.T) {
	good := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::123456789012:role/web"}, "RoleSessionName": {"ci"},
		"DurationSeconds": {"900"}, "WebIdentityToken": {"x"},
	}
	for name, c := range map[string]struct {
		change func(r *http.Request, in url.Values)
		status int
		want   string
	}{
		"nothing":           {func(*http.Request, url.Values) {}, 200, "<SecretAccessKey>"},
		"another method":    {func(r *http.Request, _ url.Values) { r.Method = http.MethodGet }, 400, "not a POST"},
		"another path":      {func(r *http.Request, _ url.Values) { r.URL.Path = "/x" }, 400, "not a POST"},
		"no TLS":            {func(r *http.Request, _ url.Values) { r.TLS = nil }, 400, "not a POST"},
		"a query":           {func(r *http.Request, _ url.Values) { r.URL.RawQuery = "a=b" }, 400, "not a POST"},
		"another type":      {func(r *http.Request, _ url.Values) { r.Header.Set("Content-Type", "text/plain") }, 400, "content type"},
		"another host":      {func(r *http.Request, _ url.Values) { r.Host = "sts.amazonaws.com" }, 400, "is no host of STS"},
		"another action":    {func(_ *http.Request, in url.Values) { in.Set("Action", "GetSessionToken") }, 400, "WebIdentityToken is not allowed"},
		"another version":   {func(_ *http.Request, in url.Values) { in.Set("Version", "1") }, 400, "could not find operation"},
		"a parameter more":  {func(_ *http.Request, in url.Values) { in.Set("Policy", "{}") }, 400, "Policy is not allowed"},
		"a parameter twice": {func(_ *http.Request, in url.Values) { in.Add("RoleArn", "x") }, 400, "given more than once"},
		"an empty one":      {func(_ *http.Request, in url.Values) { in.Set("RoleArn", "") }, 400, "empty"},
		"a short session":   {func(_ *http.Request, in url.Values) { in.Set("DurationSeconds", "899") }, 400, "duration is not valid"},
		"a strange name":    {func(_ *http.Request, in url.Values) { in.Set("RoleSessionName", "a b") }, 400, "name or duration"},
		"no role's ARN":     {func(_ *http.Request, in url.Values) { in.Set("RoleArn", "web") }, 400, "is invalid in the partition aws"},
		"a signature":       {func(r *http.Request, _ url.Values) { r.Header.Set("Authorization", "x") }, 400, "the request is signed"},
		"another's role":    {func(_ *http.Request, in url.Values) { in.Set("RoleArn", "arn:aws:iam::123456789012:role/x") }, 403, "<Code>AccessDenied</Code>"},
		"no signature": {func(_ *http.Request, in url.Values) {
			in.Set("Action", "AssumeRole")
			in.Del("WebIdentityToken")
		}, 403, "<Code>SignatureDoesNotMatch</Code><Message>the header "},
	} {
		a := awsOfTest()
		a.Roles["arn:aws:iam::123456789012:role/web"] = AWSRole{WebIdentity: func(string) error { return nil }}
		in := url.Values{}
		for key, values := range good {
			in[key] = slices.Clone(values)
		}
		r := httptest.NewRequest(http.MethodPost, "https://sts.eu-west-1.amazonaws.com/", nil)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		c.change(r, in)
		r.Body = io.NopCloser(strings.NewReader(in.Encode()))
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
