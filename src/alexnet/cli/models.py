"""`alexnet models`."""

from __future__ import annotations

from typing import Any

import click

from ..spec import VARIANTS, LayerFacts, NetworkSpec, compute, find_variant
from ..spec.layers import BatchNorm, Conv, Dropout, Layer, Linear, Local, MapNorm, Pool, ResponseNorm
from .options import json_option


def _model_facts(spec: NetworkSpec) -> dict[str, Any]:
    facts = compute(spec)
    return {
        "name": spec.name,
        "parameters": facts.parameters,
        "macs": facts.macs,
        "input": [spec.channels, spec.image_size, spec.image_size],
        "classes": spec.classes,
        "source": spec.source,
    }


def _layer_facts(row: LayerFacts) -> dict[str, Any]:
    return {
        "name": row.layer.name,
        "type": type(row.layer).__name__,
        "output": list(row.output),
        "parameters": row.parameters,
        "macs": row.macs,
        "receptive_field": row.receptive_field,
    }


def _describe(layer: Layer) -> str:
    """What a layer does, as a student reads it: «convolution 11 × 11, stride 4, 2 towers»."""
    match layer:
        case Conv():
            parts = [f"convolution {layer.kernel} × {layer.kernel}", *_steps(layer)]
        case Local():
            parts = [f"unshared {layer.kernel} × {layer.kernel}", f"padding {layer.padding}"]
        case Pool():
            parts = [f"{layer.kind} pool {layer.kernel} × {layer.kernel}", *_steps(layer)]
        case Linear():
            parts = ["fully connected"]
        case ResponseNorm():
            alpha = f"α {layer.alpha:g}/{layer.size}" if layer.divided else f"α {layer.alpha:g}"
            parts = [f"norm over {layer.size} channels", alpha]
        case MapNorm():
            parts = [f"norm over {layer.size} × {layer.size} pixels", f"α {layer.alpha:g}/{layer.size**2}"]
        case BatchNorm():
            parts = ["batch norm"]
        case Dropout():
            parts = [f"dropout {layer.p}"]
        case _:
            parts = [{"Relu": "ReLU", "Flatten": "flatten", "AdaptivePool": "average pool"}[type(layer).__name__]]
    if getattr(layer, "groups", 1) > 1:
        parts.append("2 towers")
    return ", ".join(parts)


def _steps(layer: Conv | Pool) -> list[str]:
    """Stride, padding and rounding, where they are not the plain ones."""
    parts = [f"stride {layer.stride}"] if layer.stride > 1 else []
    if isinstance(layer, Conv) and layer.padding:
        parts.append(f"padding {layer.padding}")
    return parts + {"floor": [], "ceil": ["rounded up"], "same": ["«same»"]}[layer.rounding]


def _number(value: int) -> str:
    return f"{value:,}" if value else ""


def _print_layers(spec: NetworkSpec) -> None:
    from .console import print_table

    facts = compute(spec)
    click.echo(f"{spec.name}: {spec.title}\nSource: {spec.source}\n")
    rows = [["input", "", f"{spec.channels} × {spec.image_size} × {spec.image_size}", "", "", ""]]
    for row in facts.layers:
        shape = " × ".join(map(str, row.output)) if row.output[1:] != (1, 1) else f"{row.output[0]:,}"
        slides = isinstance(row.layer, Conv | Pool | Local | MapNorm)
        field = str(row.receptive_field) if slides and row.receptive_field else ""
        numbers = [_number(row.parameters), _number(row.macs), field]
        rows.append([row.layer.name, _describe(row.layer), shape, *numbers])
    rows.append(["sum", "", "", _number(facts.parameters), _number(facts.macs), ""])
    print_table(["layer", "what", "output", "parameters", "multiply-adds", "sees"], rows)
    click.echo("\nsees: how many pixels of the input, per side, one unit looks at (its receptive field)")


@click.command("models", short_help="List the nets.")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List every net, or one net NAME layer by layer: shapes, parameters, multiply-adds, receptive fields."""
    if as_json:
        import json

        facts: Any = [_model_facts(spec) for spec in VARIANTS.values()]
        if name is not None:
            spec = find_variant(name)
            facts = {**_model_facts(spec), "layers": [_layer_facts(row) for row in compute(spec).layers]}
        click.echo(json.dumps(facts))
    elif name is not None:
        _print_layers(find_variant(name))
    else:
        from .console import print_table

        rows = []
        for spec in VARIANTS.values():
            found = compute(spec)
            size = f"{spec.channels} × {spec.image_size} × {spec.image_size}"
            rows.append([spec.name, spec.title, size, f"{found.parameters:,}", f"{found.macs:,}"])
        print_table(["name", "what", "input", "parameters", "multiply-adds"], rows)
        click.echo("\nOne net layer by layer: alexnet models NAME")
