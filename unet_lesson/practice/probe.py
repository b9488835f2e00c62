"""What the checks of modules share: build, run, read the weights, watch, follow the gradients."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from unet_lesson.practice.learner import Wrong, close, named, run, show


def build(learner, *args):
    """The learner's module, in train mode, or Wrong."""
    try:
        module = run(learner, *args)
    except Wrong as wrong:
        if "Module.__init__() call" in wrong.fails:
            raise _not_started(wrong.fails) from None
        raise hint(wrong, BUILDING) from None
    if not isinstance(module, nn.Module):
        fails = f"The class makes {show(module)}, which is no nn.Module."
        raise Wrong("not_a_module", fails, "Derive from nn.Module, or torch finds no parameters.")
    if "_parameters" not in vars(module):
        raise _not_started("Your __init__ never starts the nn.Module.")
    return module.train()


def _not_started(fails):
    return Wrong("super_init_missing", fails, "The first line of __init__ is super().__init__().")


def try_run(module, *inputs):
    """(result, None), or (None, Wrong) if it raises: the weights may tell more than that."""
    try:
        return run(module, *inputs), None
    except Wrong as wrong:
        if wrong.diagnosis != "raises":
            raise
        return None, hint(wrong, CALLING)


BUILDING = {  # part of an error's text: the mistake behind it
    "descriptor '__init__'": "super() has brackets: super().__init__().",
    ".__init__() takes 1 positional": "This __init__ takes no arguments. Has it two underscores "
    "on each side?",
    "list is not a Module": "nn.Sequential takes the layers themselves, without [ ] around.",
}
CALLING = {
    "running_mean should": "BatchNorm2d has the channels of the map it reads.",
    "cat(): argument 'tensors'": "torch.cat takes a list: torch.cat([a, b], dim=1).",
    "got (ReLU": "nn.ReLU(...) makes a layer. For its result: F.relu(x) or nn.ReLU()(x).",
}


def hint(wrong, causes):
    """`wrong`, with the first likely mistake that its error's text tells, if it has none yet."""
    told = (likely for part, likely in causes.items() if part in str(wrong.error))
    wrong.likely = wrong.likely or next(told, "")
    return wrong


def misfit(wrong, likely):
    """`wrong`, with this likely mistake if two sizes did not fit and it has none yet."""
    text = str(wrong.error)
    if type(wrong.error) is RuntimeError or "center_crop:" in text or "channels came" in text:
        wrong.likely = wrong.likely or likely
    return wrong


# ---- the weights ------------------------------------------------------------------------------


def is_vector(parameter):
    """True for one number a channel: biases, and what normalisation scales and shifts by.

    These may be kept as (1, C, 1, 1) or several together; all their numbers are then equal.
    """
    if parameter.dim() < 2:
        return True
    same = bool(parameter.min() == parameter.max())
    return same and (parameter.dim() < 4 or parameter.numel() == max(parameter.shape))


def kernels(module):
    """All registered weights that are no vectors, in order of registration."""
    return [p for p in module.parameters() if not is_lazy(p) and not is_vector(p)]


def find_kernels(module, shapes):
    """The module's weights of these shapes, in this order, or None if one is missing.

    A weight may also be kept flat, (out, in * k * k), or as (k, k, in, out).
    """
    left, found = kernels(module), []
    for shape in shapes:
        views = ((p, as_kernel(p, shape)) for p in left)
        parameter, view = next((pair for pair in views if pair[1] is not None), (None, None))
        if parameter is None:
            return None
        left = [p for p in left if p is not parameter]
        found.append(view)
    return found


def left_over(shapes, others):
    """The shapes that have no partner among the others."""
    left = list(shapes)
    for shape in others:
        if shape in left:
            left.remove(shape)
    return left


def first_difference(wanted, have):
    """The first weight that is missing and the first that came instead, in words."""
    missing, more = left_over(wanted, have), left_over(have, wanted)
    if missing and more:
        return f"a weight of shape {missing[0]} is wanted, and one of {more[0]} came"
    kind = "is missing" if missing else "is one too many"
    return f"a weight of shape {(missing or more)[0]} {kind}"


def as_kernel(parameter, shape):
    """The weight as (out, in, height, width), or None if it is another."""
    weight, (out, into, height, width) = parameter.detach().float(), shape
    if weight.shape == (out, into * height * width):
        return weight.view(shape)
    if weight.shape == (height, width, into, out):
        return weight.permute(3, 2, 0, 1)
    return weight if weight.shape == shape else None


@torch.no_grad()
def prepare(module):
    """New weights of a size that keeps signals alive; no shift, and a scale of 1.

    Then what comes out depends on the kernels alone, whether there are biases or not. After one
    pass in train mode BatchNorm knows just that batch.
    """
    vectors = [p for p in module.parameters() if is_vector(p)]
    for p in kernels(module):
        p.normal_(0, (2 * p.shape[0] / p.numel()) ** 0.5)
    for p in vectors:
        if p.numel() and p.min() != p.max():
            p.zero_()
    for layer in module.modules():
        bias = getattr(layer, "bias", None)
        if isinstance(layer, _ConvNd | _BatchNorm) and bias is not None:
            bias.zero_()
        if isinstance(layer, _BatchNorm):
            layer.momentum = 1.0
            if layer.weight is not None:
                layer.weight.fill_(1)


def without_dropout(module):
    """The module with its dropout switched off: the paper has some at the bottom (section 3.1)."""
    for layer in module.modules():
        if isinstance(layer, _DropoutNd):
            layer.p = 0.0
    return module


# ---- watching ---------------------------------------------------------------------------------


class Watch(TorchFunctionMode):
    """Notes what torch is asked for: the parameters, what each layer uses, the concatenations.

    made: the shapes that come out of convolutions. enlarged: those out of transposed ones.
    """

    def __init__(self):
        super().__init__()
        self.parameters, self.uses, self.joins = [], [], []
        self.made, self.enlarged = [], []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name, values = getattr(func, "__name__", ""), [*args, *kwargs.values()]
        parameters = [value for value in values if isinstance(value, nn.Parameter)]
        self.parameters += parameters
        if name in ("conv2d", "conv_transpose2d", "batch_norm") and parameters:
            self.uses.append((name, parameters[0]))
        if name in ("cat", "concat", "concatenate", "stack"):
            axis = values[1] if len(values) > 1 else 0
            self.joins.append((list(values[0]), "new" if name == "stack" else axis))
        result = func(*args, **kwargs)
        if name in ("conv2d", "conv_transpose2d"):
            shapes = self.made if name == "conv2d" else self.enlarged
            shapes.append(tuple(result.shape))
        return result


def watch(function, *args):
    """Run once more and watch. If it raises, that was told already."""
    with Watch() as seen:
        try:
            function(*args)
        except (Exception, SystemExit):
            pass
    return seen


def check_registered(module, *inputs):
    """Raise Wrong if a layer is used that torch does not find, or one is used twice."""
    seen, known = watch(module, *inputs), {id(p) for p in module.parameters()}
    lost = [parameter for parameter in seen.parameters if id(parameter) not in known]
    if lost:
        raise _not_found(lost, watch(module, *inputs).parameters)
    names = [name for name, _ in seen.uses]
    twice = ("batch_norm", "batch_norm") in pairwise(names)
    if twice and "conv2d" in names:  # else the convolutions are written by hand, and not seen
        fails = "Two BatchNorms follow one another, with no convolution between."
        raise Wrong("batch_norm_twice", fails, "One BatchNorm behind each convolution.")
    used = [id(parameter) for _, parameter in seen.uses]
    for name, parameter in seen.uses:
        if used.count(id(parameter)) > 1:
            key = "shared_batch_norm" if name == "batch_norm" else "shared_weights"
            fails = f"One and the same layer ({name}) is used {used.count(id(parameter))} times."
            raise Wrong(key, fails, "Each place needs a layer of its own, with its own numbers.")


def _not_found(lost, again):
    """Wrong, for the weights that parameters() does not find and those of another run."""
    shape = tuple(max(lost, key=lambda parameter: parameter.dim()).shape)
    fails = f"Your module computes with weights of shape {shape} that parameters() does not find: "
    fails += "they would never be trained or saved."
    if id(lost[0]) not in map(id, again):
        likely = "Layers are made in __init__, or they are new at every call."
        return Wrong("made_in_forward", fails, likely)
    likely = "Layers in a plain list or dict are not found: use nn.ModuleList."
    return Wrong("not_registered", fails, likely)


def unused(module, *inputs):
    """The shapes of the weights that a run never reads."""
    seen = [id(parameter) for parameter in watch(module, *inputs).parameters]
    return [tuple(p.shape) for p in kernels(module) if id(p) not in seen]


def check_axes(got, wanted, fails):
    """Raise Wrong if the batch is lost, or the axes stand in another order."""
    if tuple(got.shape) == wanted[1:]:
        raise Wrong("batch_lost", fails, "The first axis, the batch, is lost: no [0], no squeeze.")
    if sorted(got.shape) == sorted(wanted):
        raise Wrong("axes_moved", fails, "The axes stay as they are: (N, C, H, W).")


# ---- gradients, and train or eval mode --------------------------------------------------------


def check_gradients(result, sources):
    """Raise Wrong unless a gradient reaches each source. sources: name -> tensor."""
    if not result.requires_grad:
        raise _stopped(next(iter(sources)))
    try:
        loss = (result * torch.rand_like(result)).sum()
        found = torch.autograd.grad(
            loss, list(sources.values()), allow_unused=True, retain_graph=True
        )
    except RuntimeError as error:
        likely = "A map that is needed again was overwritten, by +=, relu_ or inplace=True."
        raise Wrong("backward_raises", f"backward raises {named(error)}.", likely) from None
    for name, gradient in zip(sources, found, strict=True):
        if gradient is None or not gradient.any():
            raise _stopped(name)


def _stopped(name):
    fails = f"No gradient comes back from your result to {name}."
    return Wrong(
        "gradient_stops", fails, "No detach, .data, NumPy, no_grad or rounding on the way."
    )


def check_module(module, maps, values, *inputs):
    """Yield what holds of a module, or raise Wrong: values, gradients, eval mode.

    maps: module, inputs -> its results as a list of tensors. values: called with the results,
    raises Wrong if they are not what the module's own weights should give, and returns a function
    that computes them from the inputs by torch's operators.
    """
    check_registered(module, *inputs)
    prepare(module)
    copies = [x.clone() for x in inputs]
    got = maps(module, *copies)
    if not all(map(torch.equal, inputs, copies)):
        fails = "Your module changes its input in place."
        raise Wrong("changes_input", fails, "No inplace=True, += or relu_ on what comes in.")
    if not all(map(close, got, maps(module, *inputs))):
        fails = "In train mode two runs on one input give two results."
        raise Wrong("random_output", fails, "Something is drawn at random, such as a dropout.")
    reference = values(*got)
    yield "the values, in train mode, with your own weights"
    check_module_gradients(module, maps, reference, inputs)
    yield "gradients reach every weight, on every way"
    check_eval(module, maps, inputs)
    yield "eval mode, with what BatchNorm has seen in train mode"


def check_module_gradients(module, maps, reference, inputs):
    """Raise Wrong unless all weights get a gradient, and the inputs that of the reference."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    got = torch.cat([m.flatten() for m in maps(module, *leaves)])
    sources = {f"input {number}": x for number, x in enumerate(leaves, start=1)}
    sources |= {f"weights of shape {tuple(p.shape)}": p for p in kernels(module)}
    check_gradients(got, sources)
    wanted = torch.cat([m.flatten() for m in reference(*leaves)])
    factors = torch.rand_like(wanted)
    for number, x in enumerate(leaves, start=1):
        (mine,) = torch.autograd.grad((got * factors).sum(), x, retain_graph=True)
        (right,) = torch.autograd.grad((wanted * factors).sum(), x, retain_graph=True)
        if not close(mine, right, 0.1):
            fails = f"The values are right, but the gradient of input {number} is not the true one."
            raise Wrong("gradient_stops", fails, "On one of the ways there is a detach or .data.")


def check_eval(module, maps, inputs):
    """Raise Wrong if eval mode does not do what train mode learned, image by image."""
    for passes in (1, 80):  # one is enough for BatchNorm; running means by hand take their time
        got, trained = after_training(module, maps, inputs, passes)
        if all(close(a, b, 0.1) for a, b in zip(got, trained, strict=True)):
            break
    else:
        fails = "After training on one batch, eval mode gives another result for that batch."
        likely = "Each convolution needs its own BatchNorm, which is told of train and eval mode."
        raise Wrong("eval_differs", fails, likely)
    first = maps(module.eval(), *[x[:1] for x in inputs])
    for a, b in zip(got, first, strict=True):
        fails = f"One image must become {tuple(a[:1].shape)}, and yours becomes {tuple(b.shape)}."
        if a[:1].shape != b.shape:
            raise Wrong("batch_lost", fails, "A batch of 1 loses its first axis: no squeeze().")
    if not all(close(a[:1], b, 0.01) for a, b in zip(got, first, strict=True)):
        fails = "In eval mode the result of an image depends on the other images beside it."
        likely = "In eval mode BatchNorm takes the running mean and variance of training."
        raise Wrong("eval_uses_batch", fails, likely)


@torch.no_grad()
def after_training(module, maps, inputs, passes):
    """(results in eval mode, results in train mode) for one batch, after some passes."""
    module.train()
    for _ in range(passes):
        trained = maps(module, *inputs)
    return maps(module.eval(), *inputs), trained
