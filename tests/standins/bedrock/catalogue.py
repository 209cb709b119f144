"""Bedrock's control plane, as far as a check at start-up asks it."""

from typing import Any

from tests.standins.bedrock.control import Bedrock, Call
from tests.standins.bedrock.errors import UNKNOWN_MODEL, ApiError
from tests.standins.bedrock.models import (
    MODELS,
    PROFILES,
    Model,
    arn_of_model,
    arn_of_profile,
    behind,
    reaches,
)

_SINCE = "2025-09-29T00:00:00Z"
_MODALITIES = {"TEXT": "TEXT", "EMBEDDING": "EMBEDDING", "RERANK": "TEXT"}


def list_models(bedrock: Bedrock, call: Call) -> dict[str, Any]:
    found = [_summary(model, call.region) for model in MODELS.values()]
    wanted = call.params
    return {
        "modelSummaries": [
            summary
            for summary in found
            if wanted.get("byProvider", summary["providerName"]).lower() == summary["providerName"].lower()
            and wanted.get("byOutputModality", summary["outputModalities"][0]) in summary["outputModalities"]
            and wanted.get("byInferenceType", summary["inferenceTypesSupported"][0])
            in summary["inferenceTypesSupported"]
            and "byCustomizationType" not in wanted
        ]
    }


def get_model(bedrock: Bedrock, call: Call) -> dict[str, Any]:
    model = MODELS.get(_without_arn(call.params["modelIdentifier"]))
    if model is None:
        raise UNKNOWN_MODEL
    return {"modelDetails": _summary(model, call.region)}


def get_availability(bedrock: Bedrock, call: Call) -> dict[str, Any]:
    model = MODELS.get(call.params["modelId"])
    if model is None:
        raise UNKNOWN_MODEL
    granted = model.id not in bedrock.denied_models
    return {
        "modelId": model.id,
        "agreementAvailability": {"status": "AVAILABLE" if granted else "NOT_AVAILABLE"},
        "authorizationStatus": "AUTHORIZED" if granted else "NOT_AUTHORIZED",
        "entitlementAvailability": "AVAILABLE" if granted else "NOT_AVAILABLE",
        "regionAvailability": "AVAILABLE",
    }


def list_profiles(bedrock: Bedrock, call: Call) -> dict[str, Any]:
    region = call.region
    system = [
        _profile(identifier, model, region)
        for identifier, model in PROFILES.items()
        if reaches(identifier, region)
    ]
    own = [_application(bedrock, arn, region) for arn in bedrock.application_profiles]
    wanted = call.params.get("typeEquals", "SYSTEM_DEFINED")
    return {"inferenceProfileSummaries": system if wanted == "SYSTEM_DEFINED" else own}


def get_profile(bedrock: Bedrock, call: Call) -> dict[str, Any]:
    identifier, region = call.params["inferenceProfileIdentifier"], call.region
    if identifier in bedrock.application_profiles:
        return _application(bedrock, identifier, region)
    name = _without_arn(identifier)
    if name not in PROFILES or not reaches(name, region):
        raise ApiError(404, "ResourceNotFoundException", "The specified inference profile does not exist.")
    return _profile(name, PROFILES[name], region)


def _without_arn(identifier: str) -> str:
    return identifier.rpartition("/")[2]


def _summary(model: Model, region: str) -> dict[str, Any]:
    return {
        "modelArn": arn_of_model(model, region),
        "modelId": model.id,
        "modelName": model.id.partition(".")[2],
        "providerName": model.provider,
        "inputModalities": ["TEXT"],
        "outputModalities": [_MODALITIES[model.kind]],
        "responseStreamingSupported": model.kind == "TEXT",
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND" if model.on_demand else "INFERENCE_PROFILE"],
        "modelLifecycle": {"status": "ACTIVE"},
    }


def _profile(identifier: str, model: Model, region: str) -> dict[str, Any]:
    return {
        "inferenceProfileName": identifier,
        "description": f"Routes requests to {model.id}",
        "createdAt": _SINCE,
        "updatedAt": _SINCE,
        "inferenceProfileArn": arn_of_profile(identifier, region),
        "models": [{"modelArn": arn_of_model(model, region)}],
        "inferenceProfileId": identifier,
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }


def _application(bedrock: Bedrock, arn: str, region: str) -> dict[str, Any]:
    named = bedrock.application_profiles[arn]
    identifier = _without_arn(arn)
    return _profile(identifier, behind(named), region) | {"inferenceProfileArn": arn, "type": "APPLICATION"}
