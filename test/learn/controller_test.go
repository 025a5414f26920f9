package learn

import (
	"context"
	"net/http"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/test/kubetest"
)

// controller does in one namespace what the controllers do that the control plane of the tests lacks.
type controller struct {
	admin     *kubetest.Client
	namespace string
}

// playController observes Deployments and ends Jobs until stop is called.
func playController(t *testing.T, cluster *kubetest.ControlPlane, namespace string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	c := controller{cluster.Admin, namespace}
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			c.observeDeployments(ctx)
			c.endJobs(ctx)
		}
	}()
	return func() { cancel(); <-done }
}

// observeDeployments says of each Deployment that it is as it was last declared.
func (c controller) observeDeployments(ctx context.Context) {
	path := "/apis/apps/v1/namespaces/" + c.namespace + "/deployments"
	var list appsv1.DeploymentList
	if c.admin.Do(ctx, http.MethodGet, path, nil, &list) != nil {
		return
	}
	for _, deployment := range list.Items {
		deployment.Status.ObservedGeneration = deployment.Generation
		_ = c.admin.Do(ctx, http.MethodPut, path+"/"+deployment.Name+"/status", &deployment, nil)
	}
}

// endJobs says of each Job that it has succeeded.
func (c controller) endJobs(ctx context.Context) {
	path := "/apis/batch/v1/namespaces/" + c.namespace + "/jobs"
	var list batchv1.JobList
	if c.admin.Do(ctx, http.MethodGet, path, nil, &list) != nil {
		return
	}
	for _, job := range list.Items {
		if job.Status.CompletionTime != nil {
			continue
		}
		now := metav1.Now()
		job.Status.StartTime, job.Status.CompletionTime, job.Status.Succeeded = &job.CreationTimestamp, &now, 1
		for _, condition := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete} {
			job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
				Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: now,
			})
		}
		_ = c.admin.Do(ctx, http.MethodPut, path+"/"+job.Name+"/status", &job, nil)
	}
}
