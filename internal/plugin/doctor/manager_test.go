package doctor

import (
	"context"
	"errors"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/shard"
)

func lease(holder string, renewed time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "esim-system", Name: leaseName},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &holder, LeaseDurationSeconds: ptr.To(int32(15)), RenewTime: ptr.To(metav1.NewMicroTime(renewed)),
		},
	}
}

// shardLease is that of a manager that works in the namespaces of a shard.
func shardLease(name, holder string, renewed time.Time) *coordinationv1.Lease {
	l := lease(holder, renewed)
	l.Name, l.Labels = name, map[string]string{shard.WorksInLabel: shard.WorksInSelected}
	return l
}

// claim is a lease that nobody leads by: it says which shard has a client.
func claim(held string) *coordinationv1.Lease {
	l := lease("", noon.Add(-24*time.Hour))
	l.Name, l.Spec.HolderIdentity = "esim-claim.acme", &held
	return l
}

// deployment of the manager, whose configuration is in the ConfigMap config.
func deployment(replicas, ready int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "esim-system", Name: "controllers"},
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{part: partName, component: "controllers"}},
			Spec: corev1.PodSpec{Volumes: []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{
				ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "config"}},
			}}}},
		}},
		Status: appsv1.DeploymentStatus{ReadyReplicas: ready},
	}
}

func TestManager(t *testing.T) {
	for name, e := range map[string]expectation{
		"well":        {objects: []client.Object{lease("a", noon), deployment(2, 2)}, level: OK},
		"no lease":    {level: Fail, says: "no manager ever ran there"},
		"nobody":      {objects: []client.Object{lease("", noon)}, level: Fail, says: "no manager leads"},
		"not renewed": {objects: []client.Object{lease("a", noon.Add(-time.Minute))}, level: Fail, says: "not renewed its lease for 1m0s"},
		"clock ahead": {objects: []client.Object{lease("a", noon.Add(time.Minute))}, level: Fail, says: "1m0s ahead"},
		"shards":      {objects: []client.Object{shardLease("a", "1", noon), shardLease("b", "2", noon), claim("a")}, level: OK, says: "leader by b: 2 leads"},
		"a shard that is gone": {
			objects: []client.Object{shardLease("a", "1", noon), shardLease("b", "2", noon.Add(-time.Hour))}, level: Fail,
			says: "leader by b: the manager that led, 2, has not renewed its lease for 1h0m0s: clients wait that no other shard has",
		},
		"shards after one manager": {
			objects: []client.Object{lease("", noon), shardLease("a", "1", noon)}, level: Warn, says: "leader by esim-operator-controllers: no manager leads",
		},
		"claims alone": {objects: []client.Object{claim("a")}, level: Fail, says: "no manager ever ran there"},
		"no Pod":       {objects: []client.Object{lease("a", noon), deployment(2, 0)}, level: Fail, says: "0 of 2 Pods"},
		"one Pod":      {objects: []client.Object{lease("a", noon), deployment(2, 1)}, level: Warn, says: "1 of 2 Pods"},
	} {
		t.Run(name, func(t *testing.T) {
			e.check = checkManager
			e.hold(t)
		})
	}
}

func TestMail(t *testing.T) {
	with := func(mail manager.Mail, more ...client.Object) []client.Object {
		config := manager.DefaultConfig()
		config.Mail = mail
		text, err := yaml.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		return append(more, deployment(1, 1), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "esim-system", Name: "config"}, Data: map[string]string{"config.yaml": string(text)},
		})
	}
	password := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "esim-system", Name: "mail"},
		Data:       map[string][]byte{"username": []byte("u"), "password": []byte("p")},
	}
	right := manager.Mail{Host: "smtp.example.com", Encryption: "starttls", From: "shop@example.com", CredentialsSecret: "mail"}
	change := func(change func(*manager.Mail)) manager.Mail {
		changed := right
		change(&changed)
		return changed
	}
	answers := func(reached bool, err error) func(*Installation) {
		return func(i *Installation) {
			i.Mail = func(_ context.Context, server MailServer) (bool, error) {
				if server.Address != "smtp.example.com:587" || server.TLS {
					return false, errors.New("not the server that is configured")
				}
				return reached, err
			}
		}
	}
	for name, e := range map[string]expectation{
		"well":              {objects: with(right, password), change: answers(true, nil), level: OK, says: "by smtp.example.com:587, which speaks TLS as seen from here"},
		"none":              {objects: with(manager.Mail{}), level: OK, says: "none are sent"},
		"no manager":        {level: Warn, says: "was not found"},
		"no credentials":    {objects: with(right), level: Fail, says: "Secret mail of namespace esim-system is not there"},
		"no templates":      {objects: with(change(func(m *manager.Mail) { m.TemplatesConfigMap = "t" }), password), level: Fail, says: "ConfigMap t"},
		"no sender":         {objects: with(change(func(m *manager.Mail) { m.From = "nobody" }), password), level: Fail, says: `mail.from is "nobody"`},
		"out of reach":      {objects: with(right, password), change: answers(false, errors.New("refused")), level: Warn, says: "cannot be reached from here: refused"},
		"a bad certificate": {objects: with(right, password), change: answers(true, errors.New("expired")), level: Fail, says: "not spoken to in secret: expired"},
	} {
		t.Run(name, func(t *testing.T) {
			e.check = checkMail
			e.hold(t)
		})
	}
}
