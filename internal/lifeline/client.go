package lifeline

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// kind of an object, in lower case. One without a type of its own names it itself.
func kind(object any) string {
	if named, ok := object.(interface{ GetKind() string }); ok {
		return strings.ToLower(named.GetKind())
	}
	t := reflect.TypeOf(object)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return strings.ToLower(t.Name())
}

// write lets one write about an object through.
func (l *Line) write(ctx context.Context, verb string, o client.Object, execute func() error) error {
	kind, name := kind(o), o.GetName()
	if name == "" {
		name = o.GetGenerateName()
	}
	verb, sub, _ := strings.Cut(verb, "/")
	if sub != "" {
		sub = "/" + sub
	}
	refuse := func(status int) error { return refusal(status, kind, o.GetName()) }
	return l.Pass(ctx, verb+" "+kind+sub+" "+name, refuse, execute)
}

// apply lets one server-side apply through.
func (l *Line) apply(ctx context.Context, sub string, o runtime.ApplyConfiguration, execute func() error) error {
	name := ""
	if named, ok := o.(interface{ GetName() string }); ok {
		name = named.GetName()
	}
	refuse := func(status int) error { return refusal(status, kind(o), name) }
	return l.Pass(ctx, "apply "+kind(o)+sub+" "+name, refuse, execute)
}

// refusal is what the API server answers with an HTTP status.
func refusal(status int, kind, name string) error {
	resource := schema.GroupResource{Resource: kind + "s"}
	if status == http.StatusConflict {
		return apierrors.NewConflict(resource, name, errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	}
	return apierrors.NewInternalError(errors.New("etcdserver: request timed out"))
}

// Writer puts the line around a client.
func (l *Line) Writer(inner client.Client) client.Client {
	watching, ok := inner.(client.WithWatch)
	if !ok {
		watching = withoutWatch{inner}
	}
	return interceptor.NewClient(watching, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return l.write(ctx, "create", o, func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return l.write(ctx, "update", o, func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return l.write(ctx, "patch", o, func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return l.write(ctx, "delete", o, func() error { return c.Delete(ctx, o, opts...) })
		},
		DeleteAllOf: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteAllOfOption) error {
			return l.write(ctx, "delete-all", o, func() error { return c.DeleteAllOf(ctx, o, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return l.apply(ctx, "", o, func() error { return c.Apply(ctx, o, opts...) })
		},
		SubResourceCreate: func(ctx context.Context, c client.Client, sub string, o, s client.Object, opts ...client.SubResourceCreateOption) error {
			return l.write(ctx, "create/"+sub, o, func() error { return c.SubResource(sub).Create(ctx, o, s, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return l.write(ctx, "update/"+sub, o, func() error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return l.write(ctx, "patch/"+sub, o, func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			return l.apply(ctx, "/"+sub, o, func() error { return c.SubResource(sub).Apply(ctx, o, opts...) })
		},
	})
}

// withoutWatch satisfies the interceptor; the manager's writer never watches.
type withoutWatch struct{ client.Client }

func (withoutWatch) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	return nil, errors.New("the writing client does not watch")
}

// Reader puts the line around a reader.
func (l *Line) Reader(inner client.Reader) client.Reader { return lineReader{l, inner} }

type lineReader struct {
	line  *Line
	inner client.Reader
}

func (r lineReader) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	return r.line.read(func() error { return r.inner.Get(ctx, key, o, opts...) })
}

func (r lineReader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return r.line.read(func() error { return r.inner.List(ctx, list, opts...) })
}
