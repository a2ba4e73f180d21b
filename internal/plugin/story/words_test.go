package story

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// elsewhere are reasons that a story tells by other means than words for waiting: they are never
// that of a PENDING order's Ready condition.
var elsewhere = map[string]bool{
	"Accepted": true, "Delivered": true, "Charged": true, "Refunded": true, "Cancelled": true,
}

func TestEveryReasonOfAnOrderHasWords(t *testing.T) {
	reasons := reasonsOfOrders(t)
	if len(reasons) < 20 {
		t.Fatalf("only %d reasons were found in package controllers: this test does not see them any more", len(reasons))
	}
	aside := map[string]bool{}
	for _, a := range asides {
		aside[a.reason] = true
	}
	for reason := range reasons {
		if _, ok := waiting[reason]; !ok && !elsewhere[reason] && !aside[reason] {
			t.Errorf("the reason %s has no words", reason)
		}
	}
	for reason := range waiting {
		if !reasons[reason] {
			t.Errorf("there are words for the reason %s, which no order has", reason)
		}
	}
	for _, a := range asides {
		if !reasons[a.reason] {
			t.Errorf("there are words for the reason %s, which no order has", a.reason)
		}
	}
}

// reasonsOfOrders are the reasons in the sources of the order controller: the constants named
// so, what pendingReason returns, those of receipts, and the conditions that give a reason.
func reasonsOfOrders(t *testing.T) map[string]bool {
	t.Helper()
	reasons := map[string]bool{
		v1alpha1.ConditionOutcomeUnknown: true, v1alpha1.ConditionSecretNotWritable: true,
		v1alpha1.ConditionCancelling: true, v1alpha1.ConditionCancelRefused: true,
	}
	for _, pattern := range []string{"order_*.go", "courier_*.go"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "..", "controllers", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no sources match %s: %v", pattern, err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				collect(t, file, reasons)
			}
		}
	}
	return reasons
}

func collect(t *testing.T, file string, reasons map[string]bool) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	note := func(e ast.Expr) {
		if literal, ok := e.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			reasons[text] = true
		}
	}
	ast.Inspect(parsed, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.ValueSpec:
			for i, name := range node.Names {
				if strings.HasPrefix(name.Name, "reason") && i < len(node.Values) {
					note(node.Values[i])
				}
			}
		case *ast.FuncDecl:
			if node.Name.Name == "pendingReason" {
				ast.Inspect(node, func(inner ast.Node) bool {
					if returned, ok := inner.(*ast.ReturnStmt); ok {
						note(returned.Results[0])
					}
					return true
				})
			}
		case *ast.CallExpr:
			if function, ok := node.Fun.(*ast.Ident); ok && function.Name == "setReceiptUnsent" && len(node.Args) > 1 {
				note(node.Args[1])
			}
		}
		return true
	})
}

func TestEveryFailureCodeHasWords(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "..", "api", "v1alpha1", "esimorder_failure_types.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(parsed, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) == 0 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		code, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if words, ok := failures[v1alpha1.FailureCode(code)]; !ok || words.brief == "" || len(words.advice) == 0 {
			t.Errorf("the failure code %s has no words", code)
		}
		return true
	})
	if found != len(failures) {
		t.Errorf("there are %d failure codes, and words for %d", found, len(failures))
	}
}

func TestWordsAreWhole(t *testing.T) {
	for reason, w := range waiting {
		if w.brief == "" || !strings.HasSuffix(w.waits, ".") || len(w.advice) == 0 {
			t.Errorf("the words for %s lack something: %+v", reason, w)
		}
		if len(w.brief) > 24 {
			t.Errorf("%q is too long for a column", w.brief)
		}
	}
}
