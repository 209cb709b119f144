"""What of answering the service works with, put together and kept going."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from langchain_core.documents.compressor import BaseDocumentCompressor

from app.answer_context import answer_context
from app.answer_store import AnswerStore
from app.answering import Answerer
from app.audit import Audit
from app.evaluation.evaluator import Evaluator
from app.evaluation.judges import Judges
from app.experiments.manage import Experiments
from app.experiments.parts import experimenting
from app.feedback_export import FeedbackExport
from app.foundation import Foundation
from app.online_quality import QualityRecorder
from app.settings import Settings
from app.telemetry.parts import Telemetry
from app.telemetry.recording import AnswerRecorder
from feedback.curated import CuratedAnswers
from feedback.curated_lookup import CuratedLookup
from feedback.quality.monitor import OnlineQuality
from feedback.replay import Replayer
from graph.build import build_answer_graph


@dataclass(frozen=True, slots=True)
class Answering:
    """Whatever runs the answer graph: for users, evaluations, replays, experiments and exports."""

    reranker: BaseDocumentCompressor | None
    answerer: Answerer
    curated: CuratedAnswers
    experiments: Experiments
    evaluator: Evaluator
    judges: Judges
    replayer: Replayer
    feedback_export: FeedbackExport


@asynccontextmanager
async def open_answering(
    settings: Settings, base: Foundation, telemetry: Telemetry, audit: Audit
) -> AsyncIterator[Answering]:
    """Start it.

    Raises:
        UnavailableError: The database or the registry of learned models can't be reached.
        InvalidInputError: A setting names a model that doesn't exist.
        ModelError: A model can't be loaded.
    """
    async with AsyncExitStack() as stack:
        database, spaces, models = base.database, base.spaces, base.models
        graph, context = build_answer_graph(), await answer_context(settings, base)
        lookup = CuratedLookup(database, lambda: spaces.current, threshold=settings.curated_threshold)
        stack.push_async_callback(lookup.close)
        evaluator = Evaluator(
            database, graph=graph, context=context, spaces=spaces, local=models.local, settings=settings
        )
        replayer = Replayer(graph, context, top_k=settings.top_k, timeout_s=settings.request_timeout_s)
        online = await stack.enter_async_context(experimenting(settings, base, context, audit))
        judges = Judges(settings)
        stack.push_async_callback(judges.close)
        watch = OnlineQuality(
            database,
            lambda: models.local.encoder,
            sample=settings.online_quality_sample,
            listener=QualityRecorder(telemetry.metrics),
        )
        await stack.enter_async_context(watch.running())
        answerer = Answerer(
            database,
            AnswerStore(
                database,
                embedding_model=lambda: spaces.current.model.name,
                store_text=settings.store_text,
            ),
            graph,
            context,
            questions=base.privacy.questions,
            keys=base.privacy.keys,
            top_k=settings.top_k,
            timeout_s=settings.request_timeout_s,
            curated=lookup,
            experiments=online.running,
            shadow=online.shadow,
            recorder=AnswerRecorder(telemetry.metrics, log_text=settings.log_text),
            observer=watch if settings.online_quality_sample else None,
        )
        yield Answering(
            reranker=context.reranker,
            answerer=answerer,
            curated=CuratedAnswers(database, lambda: spaces.current, lookup),
            experiments=online.experiments,
            evaluator=evaluator,
            judges=judges,
            replayer=replayer,
            feedback_export=FeedbackExport(
                database,
                base.artifacts,
                replayer,
                keys=base.privacy.keys,
                local=models.local,
                settings=settings,
            ),
        )
