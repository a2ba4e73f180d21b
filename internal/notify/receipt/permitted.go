package receipt

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template/parse"
)

// What a template may do is so little that it ends in a time proportional to its own length,
// and cannot fail once it is checked: it shows fields, and chooses with if. There are no
// loops, no calls between templates, no variables and no printing functions, each of which
// could be made to run, or to fill memory, for as long as one likes.

// checkTree tells what in a template is not permitted, with its line.
func checkTree(tree *parse.Tree) error {
	c := checker{tree: tree}
	return c.list(tree.Root)
}

// permitted functions; each is bounded by its arguments.
var permitted = []string{"eq", "ne", "not", "and", "or"}

type checker struct{ tree *parse.Tree }

// refuse is an error with name and line, in the form of text/template's own.
func (c checker) refuse(node parse.Node, format string, args ...any) error {
	place, _ := c.tree.ErrorContext(node)
	// The place is name:line:column.
	if cut := strings.LastIndexByte(place, ':'); cut > 0 {
		place = place[:cut]
	}
	return fmt.Errorf("%s: %s", place, fmt.Sprintf(format, args...))
}

func (c checker) list(list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		if err := c.statement(node); err != nil {
			return err
		}
	}
	return nil
}

func (c checker) statement(node parse.Node) error {
	switch node := node.(type) {
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		_, err := c.pipe(node.Pipe)
		return err
	case *parse.IfNode:
		_, err := c.pipe(node.Pipe)
		return errors.Join(err, c.list(node.List), c.list(node.ElseList))
	}
	return c.refuse(node, "only fields such as {{.Product}}, and {{if}} with {{else}} and {{end}}, can be used")
}

// pipe checks an expression and tells its kind: reflect.String, reflect.Bool, or
// reflect.Invalid where it may be either, so that it can be shown and not be compared.
func (c checker) pipe(pipe *parse.PipeNode) (reflect.Kind, error) {
	if len(pipe.Decl) > 0 {
		return 0, c.refuse(pipe, "variables cannot be used")
	}
	if len(pipe.Cmds) != 1 {
		return 0, c.refuse(pipe, "pipelines cannot be used")
	}
	args := pipe.Cmds[0].Args
	if len(args) == 1 {
		return c.operand(args[0])
	}
	return c.call(args)
}

func (c checker) operand(node parse.Node) (reflect.Kind, error) {
	switch node := node.(type) {
	case *parse.StringNode:
		return reflect.String, nil
	case *parse.BoolNode:
		return reflect.Bool, nil
	case *parse.PipeNode:
		return c.pipe(node)
	case *parse.FieldNode:
		name := strings.Join(node.Ident, ".")
		field, known := reflect.TypeFor[fields]().FieldByName(name)
		if !known {
			return 0, c.refuse(node, "there is no field .%s; there are %s", name, fieldNames())
		}
		return field.Type.Kind(), nil
	}
	return 0, c.refuse(node, "%s cannot be used here; fields, texts in quotes, true and false can", node)
}

func (c checker) call(args []parse.Node) (reflect.Kind, error) {
	function, ok := args[0].(*parse.IdentifierNode)
	if !ok {
		return 0, c.refuse(args[0], "%s is not a function", args[0])
	}
	if !slices.Contains(permitted, function.Ident) {
		return 0, c.refuse(function, "the function %s cannot be used; %s can", function, strings.Join(permitted, ", "))
	}
	kinds := make([]reflect.Kind, 0, len(args))
	for _, arg := range args[1:] {
		kind, err := c.operand(arg)
		if err != nil {
			return 0, err
		}
		kinds = append(kinds, kind)
	}
	alike := true
	for _, kind := range kinds {
		alike = alike && kind == kinds[0]
	}
	switch name := function.Ident; name {
	case "not":
		if len(kinds) != 1 {
			return 0, c.refuse(function, "not takes one value")
		}
		return reflect.Bool, nil
	case "eq", "ne":
		if len(kinds) != 2 || !alike || kinds[0] == reflect.Invalid {
			return 0, c.refuse(function, "%s takes two texts, or two of true and false", name)
		}
		return reflect.Bool, nil
	default: // and, or
		if !alike || len(kinds) == 0 {
			return reflect.Invalid, nil
		}
		return kinds[0], nil
	}
}

func fieldNames() string {
	all := reflect.TypeFor[fields]()
	names := make([]string, 0, all.NumField())
	for i := range all.NumField() {
		names = append(names, "."+all.Field(i).Name)
	}
	return strings.Join(names, " ")
}
