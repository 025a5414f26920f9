package learn

import (
	"context"
	"fmt"
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
	node      string // on which it puts pods; where it is empty nothing has pods
}

// play rolls Deployments out and ends Jobs until stop is called.
func (c controller) play(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			c.rollOut(ctx)
			c.endJobs(ctx)
		}
	}()
	return func() { cancel(); <-done }
}

// rollOut says of each Deployment that it is as it was last declared, once it has its pods.
func (c controller) rollOut(ctx context.Context) {
	path := "/apis/apps/v1/namespaces/" + c.namespace + "/deployments"
	var list appsv1.DeploymentList
	if c.admin.Do(ctx, http.MethodGet, path, nil, &list) != nil {
		return
	}
	for _, deployment := range list.Items {
		if *deployment.Spec.Replicas > 0 && c.replacePod(ctx, deployment) != nil {
			continue
		}
		status := &deployment.Status
		status.ObservedGeneration = deployment.Generation
		status.Replicas = *deployment.Spec.Replicas
		status.UpdatedReplicas, status.ReadyReplicas, status.AvailableReplicas = status.Replicas, status.Replicas, status.Replicas
		_ = c.admin.Do(ctx, http.MethodPut, path+"/"+deployment.Name+"/status", &deployment, nil)
	}
}

// replacePod runs the one pod of a Deployment as it was last declared, and deletes that of an earlier declaration.
func (c controller) replacePod(ctx context.Context, deployment appsv1.Deployment) error {
	path := "/api/v1/namespaces/" + c.namespace + "/pods"
	name := fmt.Sprintf("%s-%d", deployment.Name, deployment.Generation)
	if c.admin.Do(ctx, http.MethodGet, path+"/"+name, nil, nil) == nil {
		return nil
	}
	now := new(int64)
	earlier := fmt.Sprintf("%s/%s-%d", path, deployment.Name, deployment.Generation-1)
	_ = c.admin.Do(ctx, http.MethodDelete, earlier, metav1.DeleteOptions{GracePeriodSeconds: now}, nil)
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: deployment.Spec.Template.Labels},
		Spec:       deployment.Spec.Template.Spec,
	}
	pod.Spec.NodeName = c.node
	if err := c.admin.Do(ctx, http.MethodPost, path, &pod, &pod); err != nil {
		return err
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	for _, container := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		})
	}
	return c.admin.Do(ctx, http.MethodPut, path+"/"+name+"/status", &pod, nil)
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
