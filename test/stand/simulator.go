package stand

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testenv"
)

// The four operators, by the names of their EsimOperators; those of wholesalers are also their
// paths in the simulator's control API.
const (
	Telco      = "telco-one"
	Zendit     = "zendit"
	EsimAccess = "esim-access"
	Airalo     = "airalo"
)

// Operators are all four. The first speaks ES2+.
func Operators() []string { return []string{Telco, Zendit, EsimAccess, Airalo} }

// Plan is one week in Japan by an operator's name for it.
func Plan(operator string) string {
	return map[string]string{Telco: "JP-1GB-7D", Zendit: "ESIM-JP-7D-1GB-NOROAM", EsimAccess: "JP_1_7", Airalo: "jp-7days-1gb"}[operator]
}

// Simulator is a process that stands for all operators.
type Simulator struct {
	*Process
	folder    string
	control   string
	addresses map[string]string
	arguments []string
}

// StartSimulator starts the program smdp-simulator of a folder, on free ports, and returns once it
// answers. Its data are in the folder too.
func StartSimulator(ctx context.Context, folder string) (*Simulator, error) {
	free, err := FreeAddresses(ctx, 5)
	if err != nil {
		return nil, err
	}
	s := &Simulator{
		folder: folder, control: "http://" + free[4],
		addresses: map[string]string{Telco: free[0], Zendit: free[1], EsimAccess: free[2], Airalo: free[3]},
		arguments: []string{
			"--data=" + filepath.Join(folder, "smdp"), "--smdp-address=rsp.example.com",
			"--default-stock=1000000", "--default-stock-pattern=^JP-",
			"--address=" + free[0], "--zendit-address=" + free[1], "--esim-access-address=" + free[2], "--airalo-address=" + free[3],
			"--control-address=" + free[4], "--log-level=warn",
		},
	}
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, s.Kill())
	}
	return s, nil
}

// Start starts it on its ports, anew after a Kill, and returns once it answers.
func (s *Simulator) Start(ctx context.Context) (err error) {
	if s.Process, err = StartProcess(s.folder, "smdp-simulator", nil, s.arguments...); err != nil {
		return err
	}
	return AwaitAnswer(ctx, s.control+"/")
}

// Tell asks the control API for something, and reads what it answers into an object.
func (s *Simulator) Tell(ctx context.Context, method, path, body string, into any) error {
	answer, err := Exchange(ctx, method, s.control+path, body)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}

// Connect has an EsimOperator of one of the four names connect to the simulator, with a Secret of
// the same name.
func (s *Simulator) Connect(operator *v1alpha1.EsimOperator) {
	secret := v1alpha1.SecretReference{Name: operator.Name}
	url := "https://" + s.addresses[operator.Name]
	reseller := func(path string) *v1alpha1.ResellerDriver {
		return &v1alpha1.ResellerDriver{URL: url + path, CredentialsSecretRef: secret}
	}
	switch operator.Name {
	case Telco:
		operator.Spec.ES2Plus = &v1alpha1.ES2PlusDriver{URL: url, FunctionRequesterIdentifier: smdp.DefaultRequester, TLSSecretRef: secret}
	case Zendit:
		operator.Spec.Zendit = reseller("/v1")
	case EsimAccess:
		operator.Spec.EsimAccess = reseller("/api/v1/open")
	case Airalo:
		operator.Spec.Airalo = reseller("/v2")
	}
}

// Credentials is the Secret of what the simulator has written into an operator's folder.
func (s *Simulator) Credentials(name string) (*corev1.Secret, error) {
	folder := filepath.Join(s.folder, "smdp", "wholesalers", name)
	if name == Telco {
		folder = filepath.Join(s.folder, "smdp", "pki", "clients", smdp.DefaultRequester)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials at %s: %w", name, err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: name}, Data: map[string][]byte{}}
	for _, file := range files {
		if secret.Data[file.Name()], err = os.ReadFile(filepath.Join(folder, file.Name())); err != nil {
			return nil, fmt.Errorf("reading the credentials at %s: %w", name, err)
		}
	}
	return secret, nil
}

// Profiles are all that the SM-DP+ has reserved or sold.
func (s *Simulator) Profiles(ctx context.Context) ([]smdp.Profile, error) {
	var profiles []smdp.Profile
	err := s.Tell(ctx, http.MethodGet, "/profiles?limit=100000", "", &profiles)
	return profiles, err
}

// Owned is, by ICCID, the operator of every profile that was bought and not given back.
func (s *Simulator) Owned(ctx context.Context) (map[string]string, error) {
	found := map[string]string{}
	profiles, err := s.Profiles(ctx)
	if err != nil {
		return nil, err
	}
	for _, profile := range profiles {
		switch profile.State {
		case smdp.StateReleased, smdp.StateDownloaded, smdp.StateInstalled:
			found[string(profile.ICCID)] = Telco
		}
	}
	for _, name := range Operators()[1:] {
		var ledger struct {
			Purchases []struct {
				ICCID     activation.ICCID `json:"iccid"`
				GivenBack bool             `json:"givenBack"`
			} `json:"purchases"`
		}
		if err := s.Tell(ctx, http.MethodGet, "/"+name+"/ledger", "", &ledger); err != nil {
			return nil, err
		}
		for _, purchase := range ledger.Purchases {
			if !purchase.GivenBack && purchase.ICCID != "" {
				found[string(purchase.ICCID)] = name
			}
		}
	}
	return found, nil
}

// Stranded counts the profiles that the SM-DP+ has reserved and that are not bought: once every
// order has ended, nobody knows them.
func (s *Simulator) Stranded(ctx context.Context) (n int, err error) {
	profiles, err := s.Profiles(ctx)
	for _, profile := range profiles {
		switch profile.State {
		case smdp.StateAllocated, smdp.StateLinked, smdp.StateConfirmed:
			n++
		}
	}
	return n, err
}
