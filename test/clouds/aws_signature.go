package clouds

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// awsTime is the format of X-Amz-Date.
const awsTime = "20060102T150405Z"

// awsSignature holds how a request says it was signed, and the region of the host that it was sent to.
type awsSignature struct{ algorithm, credential, date, headers, value, session, region string }

// caller is who signed a request in its Authorization header.
func (a *AWS) caller(r *http.Request, region string, body []byte) (AWSKey, error) {
	authorization := r.Header.Get("Authorization")
	s := awsSignature{date: r.Header.Get("X-Amz-Date"), session: r.Header.Get("X-Amz-Security-Token"), region: region}
	s.algorithm, _, _ = strings.Cut(authorization, " ")
	for name, to := range map[string]*string{"Credential": &s.credential, "SignedHeaders": &s.headers, "Signature": &s.value} {
		_, rest, _ := strings.Cut(authorization, name+"=")
		*to, _, _ = strings.Cut(rest, ",")
	}
	values := map[string]string{"host": r.Host, "content-length": strconv.FormatInt(r.ContentLength, 10)}
	for name := range r.Header {
		values[strings.ToLower(name)] = r.Header.Get(name)
	}
	for name := range values { // what is not signed could be changed on the way
		if (name == "host" || name == "content-type" || strings.HasPrefix(name, "x-amz-")) && !slices.Contains(strings.Split(s.headers, ";"), name) {
			return AWSKey{}, awsRefusal("SignatureDoesNotMatch", "the header "+name+" is not signed")
		}
	}
	date, err := time.Parse(awsTime, s.date)
	if err != nil || a.now().Sub(date).Abs() > 5*time.Minute {
		return AWSKey{}, awsRefusal("SignatureDoesNotMatch", "Signature expired, or not yet current: "+s.date)
	}
	return a.check(s, http.MethodPost, nil, values, body)
}

// check recomputes a signature with the secret that belongs to the key:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (a *AWS) check(s awsSignature, method string, query url.Values, headers map[string]string, body []byte) (AWSKey, error) {
	id, scope, _ := strings.Cut(s.credential, "/")
	key, known := a.Keys[id]
	switch {
	case s.algorithm != "AWS4-HMAC-SHA256" || len(s.date) < 8 || scope != s.date[:8]+"/"+s.region+"/sts/aws4_request":
		return AWSKey{}, awsRefusal("SignatureDoesNotMatch", "Credential should be scoped to a valid region: "+scope)
	case !known || s.session != key.Session:
		return AWSKey{}, awsRefusal("InvalidClientTokenId", "The security token included in the request is invalid.")
	case !key.Expires.IsZero() && a.now().After(key.Expires):
		return AWSKey{}, awsRefusal("ExpiredToken", "The security token included in the request is expired")
	}
	lines := []string{method, "/", strings.ReplaceAll(query.Encode(), "+", "%20")}
	for name := range strings.SplitSeq(s.headers, ";") {
		lines = append(lines, name+":"+strings.Join(strings.Fields(headers[name]), " "))
	}
	canonical := strings.Join(append(lines, "", s.headers, awsHash(body)), "\n")
	derived := []byte("AWS4" + key.Secret)
	for part := range strings.SplitSeq(scope, "/") {
		derived = awsMAC(derived, part)
	}
	right := awsMAC(derived, strings.Join([]string{s.algorithm, s.date, scope, awsHash([]byte(canonical))}, "\n"))
	if !hmac.Equal([]byte(hex.EncodeToString(right)), []byte(s.value)) {
		return AWSKey{}, awsRefusal("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
	}
	return key, nil
}

func awsRefusal(code, message string) error {
	return AWSFailure{http.StatusForbidden, code, message}
}

func awsMAC(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = io.WriteString(h, text)
	return h.Sum(nil)
}

func awsHash(data []byte) string {
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:])
}

// awsRegions are the regions of each partition, and the suffix of its host names.
var awsRegions = map[string][2]string{
	"aws":        {`^(us|eu|ap|sa|ca|me|af|il|mx)-(north|south|east|west|central|northeast|northwest|southeast|southwest)-\d$`, "amazonaws.com"},
	"aws-us-gov": {`^us-gov-(east|west)-\d$`, "amazonaws.com"},
	"aws-cn":     {`^cn-north(west)?-\d$`, "amazonaws.com.cn"},
	"aws-eusc":   {`^eusc-de-east-\d$`, "amazonaws.eu"},
	"aws-iso":    {`^us-iso-(east|west)-\d$`, "c2s.ic.gov"},
	"aws-iso-b":  {`^us-isob-(east|west)-\d$`, "sc2s.sgov.gov"},
	"aws-iso-e":  {`^eu-isoe-west-\d$`, "cloud.adc-e.uk"},
	"aws-iso-f":  {`^us-isof-(east|south)-\d$`, "csp.hci.ic.gov"},
}

func awsPartition(region string) string {
	for name, is := range awsRegions {
		if regexp.MustCompile(is[0]).MatchString(region) {
			return name
		}
	}
	return "of nobody"
}

// awsSTSRegion is the region of a regional host of STS.
func awsSTSRegion(host string) (string, error) {
	region, _, _ := strings.Cut(strings.TrimPrefix(host, "sts."), ".")
	if is, known := awsRegions[awsPartition(region)]; !known || host != "sts."+region+"."+is[1] {
		return "", fmt.Errorf("%s is no host of STS", host)
	}
	return region, nil
}
