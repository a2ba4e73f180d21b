package facade

import (
	"io"

	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLog writes JSON, a line each, of this level and above: debug, info or error. It writes
// every line: controller-runtime's own drops those that are alike beyond a hundred a second,
// and lines about requests are.
func NewLog(to io.Writer, level string) logr.Logger {
	form := zap.NewProductionEncoderConfig()
	form.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(form), zapcore.Lock(zapcore.AddSync(to)), zapLevel(level))
	return zapr.NewLogger(zap.New(core, zap.AddStacktrace(zapcore.ErrorLevel)))
}

func zapLevel(name string) zapcore.Level {
	switch name {
	case "debug":
		return zapcore.DebugLevel
	case "error":
		return zapcore.ErrorLevel
	default:
		return zapcore.InfoLevel
	}
}
