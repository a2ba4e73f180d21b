package doctor

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// remedies are for the reasons for which an operator is not Ready. A test finds any that is
// missing.
var remedies = map[string]string{
	v1alpha1.OperatorReasonUnreachable: "see that spec url is right, that the operator is up, and that the network policies and your firewall " +
		"let the manager out to it; orders wait, or go to the next source",
	v1alpha1.OperatorReasonAuthFailed: "renew the credentials in its Secret, or have the operator allow this certificate, key or address; " +
		"it is tried again as soon as the Secret changes",
	v1alpha1.OperatorReasonCircuitOpen:        "nothing: it is tried again by itself; if it lasts, ask the operator what is wrong there",
	v1alpha1.OperatorReasonOutOfService:       "ask the operator: it answers, and refuses every request or cannot be understood",
	v1alpha1.OperatorReasonCredentialsMissing: "create the Secret that its spec names, in the manager's namespace, with the keys that kubectl explain esimoperator.spec tells",
}

func checkOperators(ctx context.Context, i *Installation) []Finding {
	var list v1alpha1.EsimOperatorList
	if err := i.Client.List(ctx, &list); err != nil {
		return []Finding{unread(err, "EsimOperators", listing("esimoperators"))}
	}
	if len(list.Items) == 0 {
		return []Finding{fail("EsimOperators", "there are none: nothing can be bought", "connect one; config/samples/operator.yaml is a beginning")}
	}
	return Operators(list.Items)
}

// Operators is what there is to say of each operator's health: one finding that all is well, or
// one for each thing that is not.
func Operators(operators []v1alpha1.EsimOperator) []Finding {
	var findings []Finding
	for i := range operators {
		findings = append(findings, ofOperator(&operators[i])...)
	}
	return findings
}

func ofOperator(o *v1alpha1.EsimOperator) []Finding {
	object := "EsimOperator " + o.Name
	var findings []Finding
	ready := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		findings = append(findings, fail(object, "nobody has probed it yet", "see that the manager runs"))
	case ready.Status != "True":
		remedy, known := remedies[ready.Reason]
		if !known {
			remedy = "see what the manager says: kubectl describe esimoperator " + o.Name
		}
		findings = append(findings, fail(object, ready.Reason+": "+ready.Message, remedy))
	}
	if said, message := says(o, v1alpha1.ConditionAccountEmpty, "True"); said {
		findings = append(findings, fail(object, "our account there is empty: "+message, "top the account up at the operator; orders go on by themselves"))
	}
	if said, message := says(o, v1alpha1.ConditionAnswersLost, "True"); said {
		findings = append(findings, warn(object, "it left calls unanswered, each of which may have reserved a profile: "+message, "ask the operator, and look at its timeout"))
	}
	if said, message := says(o, v1alpha1.ConditionCatalogueImported, "False"); said {
		findings = append(findings, warn(object, "its list could not be read: "+message, "mend what the message names; what was read before stays on sale"))
	}
	if len(findings) == 0 {
		findings = append(findings, ok(object, ready.Reason))
	}
	return findings
}

func says(o *v1alpha1.EsimOperator, condition, status string) (bool, string) {
	c := meta.FindStatusCondition(o.Status.Conditions, condition)
	if c == nil || string(c.Status) != status {
		return false, ""
	}
	return true, c.Message
}
