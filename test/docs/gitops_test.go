package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/markdown"
)

// stored are objects as the manager leaves them, in the states that they can be in, by kind and name.
func stored(t *testing.T) map[string]*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "test", "stored", "testdata", "v1alpha1.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*unstructured.Unstructured{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		object := &unstructured.Unstructured{}
		raw, err := yaml.YAMLToJSON([]byte(document))
		if err == nil {
			err = object.UnmarshalJSON(raw) // in which integers stay integers
		}
		if err != nil {
			t.Fatal(err)
		}
		found[object.GetKind()+" "+object.GetName()] = object
	}
	return found
}

// argoScript is the rule that docs/howto/gitops.md has its readers put into Argo CD's ConfigMap.
func argoScript(t *testing.T) string {
	t.Helper()
	page, err := markdown.Read(filepath.Join(root, "docs", "howto", "gitops.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range page.Blocks {
		var config struct{ Data map[string]string }
		if block.Language != "yaml" || yaml.Unmarshal([]byte(block.Text), &config) != nil || config.Data == nil {
			continue
		}
		var rules map[string]map[string]string
		if err := yaml.UnmarshalStrict([]byte(config.Data["resource.customizations"]), &rules); err != nil {
			t.Fatal(err)
		}
		if script := rules["esim.telco.dev/*"]["health.lua"]; script != "" {
			return script
		}
	}
	t.Fatal("docs/howto/gitops.md has no health.lua for esim.telco.dev/*")
	return ""
}

// argoHealth is what Argo CD makes of an object by the script: like it, with the libraries for
// tables alone.
func argoHealth(t *testing.T, script string, object *unstructured.Unstructured) (health, message string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	state.SetGlobal("obj", luaValue(state, object.Object))
	if err := state.DoString(script); err != nil {
		t.Fatal(err)
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns %v, not a table", state.Get(-1))
	}
	return lua.LVAsString(answer.RawGetString("status")), lua.LVAsString(answer.RawGetString("message"))
}

// luaValue is a value of JSON in Lua.
func luaValue(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, luaValue(state, item))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(luaValue(state, item))
		}
		return table
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	}
	return lua.LNil
}

func TestFluxAndArgoCDKnowWhereAnObjectStands(t *testing.T) {
	objects, script := stored(t), argoScript(t)
	for name, want := range map[string]struct {
		flux          status.Status
		argo, message string
	}{
		"EsimOrder trip-to-tokyo":   {status.CurrentStatus, "Healthy", ""},                                           // DELIVERED
		"EsimOrder trip-to-kyoto":   {status.InProgressStatus, "Progressing", "It is not known what was bought"},     // PENDING
		"EsimOrder trip-to-nowhere": {status.FailedStatus, "Degraded", "There is no such product"},                   // FAILED
		"EsimOrder o-1207331937":    {status.FailedStatus, "Degraded", "The profile was taken back by its operator"}, // CANCELLED
		"EsimOperator telco-one":    {status.CurrentStatus, "Healthy", "The operator answers"},
		"EsimOperator wholesale":    {status.InProgressStatus, "Progressing", "The operator refuses our credentials"},
		"EsimProduct europe":        {status.CurrentStatus, "Healthy", "1 of 2 variants can be sold"},
		"EsimProduct japan-merged":  {status.InProgressStatus, "Progressing", "No operator that is named sells anything here"},
		"EsimClient default":        {status.CurrentStatus, "Healthy", "The namespace buys on these terms"},
		"EsimWallet main":           {status.CurrentStatus, "Healthy", "Orders can pay with it"},
	} {
		t.Run(name, func(t *testing.T) {
			object := objects[name]
			if object == nil {
				t.Fatal("there is no such stored object")
			}
			result, err := status.Compute(object)
			if err != nil {
				t.Fatal(err)
			}
			if result.Status != want.flux {
				t.Errorf("kstatus, by which Flux waits, says %s (%s), want %s", result.Status, result.Message, want.flux)
			}
			if health, message := argoHealth(t, script, object); health != want.argo || message != want.message {
				t.Errorf("Argo CD says %s (%s), want %s (%s)", health, message, want.argo, want.message)
			}
		})
	}
}

func TestArgoCDWaitsForWhatTheManagerHasNotSeen(t *testing.T) {
	script := argoScript(t)
	unseen := stored(t)["EsimOrder trip-to-tokyo"]
	unstructured.RemoveNestedField(unseen.Object, "status")
	if health, _ := argoHealth(t, script, unseen); health != "Progressing" {
		t.Errorf("an object without status is %s", health)
	}
	changed := stored(t)["EsimProduct europe"]
	changed.SetGeneration(changed.GetGeneration() + 1)
	if health, _ := argoHealth(t, script, changed); health != "Progressing" {
		t.Errorf("an object that was changed since is %s", health)
	}
}
