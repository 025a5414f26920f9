package clouds

import (
	"encoding/json"
	"errors"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
)

// Authenticator answers kube-apiserver whose a token is (--authentication-token-webhook-config-file, with
// --authentication-token-webhook-version=v1): the first verifier without an error decides. If all return an error, the API
// server answers 401, and its log has the error of each verifier. It also asks about every token that it does not know
// itself, such as one of a deleted ServiceAccount.
func Authenticator(verify ...func(bearer string) (user string, groups []string, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review authenticationv1.TokenReview
		err := json.NewDecoder(r.Body).Decode(&review)
		if err != nil || r.Method != http.MethodPost || review.Kind != "TokenReview" ||
			review.APIVersion != authenticationv1.SchemeGroupVersion.String() || review.Spec.Token == "" {
			http.Error(w, "no TokenReview of authentication.k8s.io/v1 with a token", http.StatusBadRequest)
			return
		}
		status := authenticationv1.TokenReviewStatus{}
		faults := []error{errors.New("no verifier takes it")}
		for _, v := range verify {
			user, groups, err := v(review.Spec.Token)
			if err == nil {
				// Without audiences it holds for those of the API server.
				status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: user, Groups: groups}}
				break
			}
			faults = append(faults, err)
		}
		if !status.Authenticated {
			status.Error = errors.Join(faults...).Error()
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(authenticationv1.TokenReview{TypeMeta: review.TypeMeta, Status: status})
	})
}
