// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Accounts} from "./Accounts.sol";
import {Transfers} from "./Transfers.sol";
import {Position, Trader} from "./interfaces/IAccounts.sol";
import {IConsortium, Standing} from "./interfaces/IConsortium.sol";
import {Deal, DealState, IEnergyMarket, Reason} from "./interfaces/IEnergyMarket.sol";
import {TransferCapacity} from "./interfaces/ITransfers.sol";
import {Line, Order, OrderBook} from "./libraries/OrderBook.sol";
import {MAX_TICKS, OrderId, Side, halfBookOf, orderAt, toOrderId} from "./libraries/OrderId.sol";
import {Request, toRequest} from "./libraries/Request.sol";
import {Rules} from "./libraries/Rules.sol";
import {DEALS, store} from "./libraries/Slots.sol";

/// @title The energy market of the region
contract EnergyMarket is IEnergyMarket, Transfers {
    using OrderBook for Line;

    uint256 private constant PERIOD_SECONDS = 900;

    uint64 public dealCount;
    /// @dev Where the search of an order that met the candidate limit goes on.
    mapping(OrderId id => uint256 place) private _cursors;

    /// @dev An order on its way through the waiting orders of the other side.
    struct Search {
        OrderId id;
        uint32 trader;
        uint8 zone;
        bool sells;
        /// @dev What the deals must find: of a seller its free quota, of a buyer its free money.
        uint256 means;
        /// @dev What the deals hold of it. Written to storage once, at the end.
        uint256 held;
        uint64 dealCount;
        uint40 confirmBefore;
        DealState firstState;
    }

    constructor(IConsortium consortium_) Accounts(consortium_) {}

    function placeOrder(Request request, bytes32 recordHash) external returns (OrderId id) {
        Standing memory standing = consortium.standing(msg.sender);
        Reason reason;
        (id, reason) = _place(request, recordHash, standing);
        if (reason != Reason.None) revert Refused(reason);
    }

    function placeOrders(Request[] calldata requests, bytes32[] calldata recordHashes) external {
        if (requests.length != recordHashes.length) revert LengthsDiffer();
        Standing memory standing = consortium.standing(msg.sender);
        for (uint256 i; i < requests.length; ++i) {
            (, Reason reason) = _place(requests[i], recordHashes[i], standing);
            if (reason != Reason.None) emit OrderRefused(standing.masterId, i, recordHashes[i], reason);
        }
    }

    function amendOrder(OrderId id, uint40 energyWh, uint16 priceTicks, bytes32 recordHash)
        external
        returns (OrderId newId)
    {
        Standing memory standing = consortium.standing(msg.sender);
        Order memory old = _ownOrder(standing.masterId, id);
        OrderId amended = toOrderId(id.period(), id.side(), priceTicks, 0);
        Request request = toRequest(amended, old.energyTypes, old.trader, energyWh);
        Reason reason;
        (newId, reason) = _admit(request, standing);
        if (reason != Reason.None) {
            emit OrderRefused(standing.masterId, 0, recordHash, reason);
            return newId;
        }
        _cancel(id);
        _enter(newId, request, recordHash, standing);
    }

    function cancelOrders(OrderId[] calldata ids) external {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        for (uint256 i; i < ids.length; ++i) {
            _ownOrder(masterId, ids[i]);
            _cancel(ids[i]);
        }
    }

    function matchOrder(OrderId id) external {
        Standing memory standing = consortium.standing(msg.sender);
        Order memory waiting = OrderBook.orderOf(id);
        if (waiting.energyTypes == 0) revert NotYourOrder(id);
        Request request = toRequest(id, waiting.energyTypes, waiting.trader, waiting.openWh);
        Reason reason = _refusal(_account(waiting.trader).masterId, request, standing);
        if (reason != Reason.None) revert Refused(reason);
        (uint256 openWh, uint256 cursor) = _search(id, request, _cursors[id], standing);
        _cursors[id] = cursor;
        if (openWh != waiting.openWh) OrderBook.take(id, waiting.openWh - openWh);
    }

    function confirm(uint64[] calldata dealIds, Side side) external {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        for (uint256 i; i < dealIds.length; ++i) {
            Deal memory agreed = _ownIntent(masterId, dealIds[i], side);
            if (block.timestamp > agreed.confirmBefore) revert WrongState(dealIds[i], agreed.state);
            if (side == Side.Ask) agreed.sellerConfirmed = true;
            else agreed.buyerConfirmed = true;
            emit PartyConfirmed(dealIds[i], side);
            if (agreed.sellerConfirmed && agreed.buyerConfirmed) {
                agreed.state = DealState.Confirmed;
                emit DealConfirmed(dealIds[i]);
            }
            Deal storage kept = _deal(dealIds[i]);
            (kept.sellerConfirmed, kept.buyerConfirmed, kept.state) =
            (agreed.sellerConfirmed, agreed.buyerConfirmed, agreed.state);
        }
    }

    function abandon(uint64[] calldata dealIds, Side side) external {
        uint16 masterId = consortium.activeMasterId(msg.sender);
        for (uint256 i; i < dealIds.length; ++i) {
            Deal memory agreed = _ownIntent(masterId, dealIds[i], side);
            _release(dealIds[i], agreed, DealState.Abandoned);
            emit DealAbandoned(dealIds[i], side);
        }
    }

    function expire(uint64[] calldata dealIds) external {
        uint256 tradingMasters = consortium.standing(msg.sender).tradingMasters;
        for (uint256 i; i < dealIds.length; ++i) {
            Deal memory agreed = _deal(dealIds[i]);
            bool open = agreed.state == DealState.Intent || agreed.state == DealState.Confirmed;
            bool late = agreed.state == DealState.Intent && block.timestamp > agreed.confirmBefore;
            if (!open || (!late && _bothMayTrade(agreed, tradingMasters))) revert WrongState(dealIds[i], agreed.state);
            _release(dealIds[i], agreed, DealState.Expired);
            emit DealExpired(dealIds[i]);
        }
    }

    function settle(uint64[] calldata dealIds) external {
        uint256 tradingMasters = consortium.standing(msg.sender).tradingMasters;
        for (uint256 i; i < dealIds.length; ++i) {
            Deal memory agreed = _deal(dealIds[i]);
            if (agreed.state != DealState.Confirmed) revert WrongState(dealIds[i], agreed.state);
            if (!_bothMayTrade(agreed, tradingMasters)) revert PartySuspended(dealIds[i]);
            uint96 money = _money(agreed);
            _account(agreed.buyer).heldMoney -= money;
            _account(agreed.seller).freeMoney += money;
            Position storage claims = _claims(agreed.seller, agreed.period);
            claims.heldWh -= agreed.energyWh;
            claims.soldWh += agreed.energyWh;
            _claims(agreed.buyer, agreed.period).boughtWh += agreed.energyWh;
            _deal(dealIds[i]).state = DealState.Settled;
            emit DealSettled(dealIds[i], money);
        }
    }

    function deal(uint64 dealId) external view returns (Deal memory known) {
        if (dealId <= dealCount) known = _deal(dealId);
    }

    function order(OrderId id) external view returns (Order memory standing) {
        Order storage kept = OrderBook.orderOf(id);
        if (kept.energyTypes != 0) standing = kept;
    }

    function waitingOrders(uint24 period, Side side, uint8 energyTypes, uint256 from, uint256 limit)
        external
        view
        returns (OrderId[] memory ids, uint256 nextFrom)
    {
        ids = new OrderId[](limit);
        uint256 count;
        Line memory line = OrderBook.line(halfBookOf(period, side), energyTypes, from, MAX_TICKS);
        for (; count < limit && line.first != OrderBook.NONE; ++count) {
            ids[count] = line.firstId();
            line.advance();
        }
        nextFrom = line.first == OrderBook.NONE ? OrderBook.NONE : line.firstPlace();
        assembly ("memory-safe") {
            mstore(ids, count)
        }
    }

    // Steps 1 and 2: application, and the search for a counterpart

    function _place(Request request, bytes32 recordHash, Standing memory standing)
        private
        returns (OrderId id, Reason reason)
    {
        if (!request.isWellFormed()) return (id, Reason.MalformedRequest);
        (id, reason) = _admit(request, standing);
        if (reason == Reason.None) _enter(id, request, recordHash, standing);
    }

    /// @dev Gives a request its turn, or says why it may not enter.
    function _admit(Request request, Standing memory standing) private returns (OrderId id, Reason reason) {
        reason = _refusal(standing.masterId, request, standing);
        if (reason != Reason.None) return (id, reason);
        bool full;
        (id, full) = OrderBook.issue(request);
        if (full) reason = Reason.QueueFull;
    }

    function _enter(OrderId id, Request request, bytes32 recordHash, Standing memory standing) private {
        emit OrderPlaced(id, request.trader(), request.energyTypes(), request.energyWh(), recordHash);
        (uint256 openWh, uint256 cursor) = _search(id, request, 0, standing);
        if (cursor != 0) _cursors[id] = cursor;
        OrderBook.put(id, request, openWh);
    }

    /// @dev Takes legal candidates in price-time order until the energy, the candidates or the limit run out.
    /// @return openWh What found no counterpart.
    /// @return cursor Where the search goes on if it met the candidate limit, else 0.
    function _search(OrderId id, Request request, uint256 from, Standing memory standing)
        private
        returns (uint256 openWh, uint256 cursor)
    {
        openWh = request.energyWh();
        Line memory line = OrderBook.line(id.halfBook() ^ 1, request.energyTypes(), from, MAX_TICKS ^ id.rank());
        if (line.first == OrderBook.NONE) return (openWh, 0);
        Search memory search = _begin(id, request.trader(), standing.rules);
        Reason stopped;
        for (uint256 left = standing.rules.maxCandidates(); openWh != 0 && line.first != OrderBook.NONE; --left) {
            if (left == 0) {
                (stopped, cursor) = (Reason.CandidateLimit, line.firstPlace());
                break;
            }
            OrderId candidateId = line.firstId();
            Order storage candidate = OrderBook.orderOf(candidateId);
            (uint32 trader, uint256 energyWh) = (candidate.trader, candidate.openWh);
            if (openWh < energyWh) energyWh = openWh;
            (Reason reason, bool incomingLacks) = _hold(search, candidateId, trader, energyWh, standing);
            if (incomingLacks) {
                stopped = reason;
                break;
            }
            if (reason == Reason.None) {
                OrderBook.take(candidateId, energyWh);
                if (search.sells) _agree(search, id, candidateId, search.trader, trader, energyWh);
                else _agree(search, candidateId, id, trader, search.trader, energyWh);
                unchecked {
                    openWh -= energyWh;
                }
            } else {
                emit CandidatePassedOver(id, candidateId, reason);
            }
            if (openWh != 0) line.advance();
        }
        if (stopped != Reason.None) emit MatchingStopped(id, stopped);
        _end(search);
    }

    function _begin(OrderId id, uint32 number, Rules rules) private view returns (Search memory search) {
        uint256 coolingOffSeconds = rules.coolingOffSeconds();
        (search.id, search.trader, search.sells) = (id, number, id.side() == Side.Ask);
        (search.dealCount, search.confirmBefore) = (dealCount, uint40(block.timestamp + coolingOffSeconds));
        search.firstState = coolingOffSeconds == 0 ? DealState.Confirmed : DealState.Intent;
        search.zone = _account(number).zone;
        if (search.sells) {
            Position storage claims = _claims(number, id.period());
            search.means = claims.quotaWh - claims.heldWh - claims.soldWh;
        } else {
            search.means = _account(number).freeMoney;
        }
    }

    /// @dev What the deals hold of the incoming order's trader. It is no candidate's trader, so nothing else changed.
    function _end(Search memory search) private {
        if (search.dealCount == dealCount) return;
        dealCount = search.dealCount;
        if (search.sells) {
            _claims(search.trader, search.id.period()).heldWh += uint48(search.held);
        } else {
            Trader storage account = _account(search.trader);
            account.freeMoney = uint96(search.means - search.held);
            account.heldMoney += uint96(search.held);
        }
    }

    // Step 3: legality

    function _refusal(uint16 masterId, Request request, Standing memory standing) private view returns (Reason) {
        Rules rules = standing.rules;
        if (_account(request.trader()).masterId != masterId) return Reason.NotYourTrader;
        if (standing.tradingMasters >> masterId & 1 == 0) return Reason.PartySuspended;
        if (block.timestamp + rules.gateLeadSeconds() >= request.period() * PERIOD_SECONDS) return Reason.GateClosed;
        if (!rules.allowPrice(request.priceTicks())) return Reason.PriceOutOfBounds;
        if (request.energyWh() == 0) return Reason.EnergyZero;
        uint256 types = request.energyTypes();
        if (types == 0) return Reason.EnergyTypesInvalid;
        if (request.side() == uint8(Side.Ask) && types & (types - 1) != 0) return Reason.EnergyTypesInvalid;
        return Reason.None;
    }

    /// @dev Checks a candidate and, if it is legal, holds what the deal needs: money, energy and the way between zones.
    /// What it holds of the incoming order's trader it notes in `search`.
    /// @return reason Why the two may not trade, or `None`.
    /// @return incomingLacks True if it is the incoming order that lacks quota or deposit: its search ends there.
    function _hold(Search memory search, OrderId candidateId, uint32 number, uint256 energyWh, Standing memory standing)
        private
        returns (Reason reason, bool incomingLacks)
    {
        if (number == search.trader) return (Reason.SameUser, false);
        if (!standing.rules.allowPrice(candidateId.priceTicks())) return (Reason.PriceOutOfBounds, false);
        Trader storage account = _account(number);
        if (standing.tradingMasters >> account.masterId & 1 == 0) return (Reason.PartySuspended, false);
        uint8 zone = account.zone;
        bool crosses = zone != search.zone;
        if (crosses && energyWh > _free(search, zone)) return (Reason.NoTransferCapacity, false);
        // Energy below 2^40 times a price below 2^16, sums of two claims below 2^48: none of these can overflow.
        unchecked {
            if (search.sells) {
                uint256 money = energyWh * search.id.priceTicks();
                uint256 freeMoney = account.freeMoney;
                if (energyWh > search.means - search.held) return (Reason.BeyondQuota, true);
                if (money > freeMoney) return (Reason.DepositTooSmall, false);
                account.freeMoney = uint96(freeMoney - money);
                account.heldMoney += uint96(money);
                search.held += energyWh;
            } else {
                uint256 money = energyWh * candidateId.priceTicks();
                Position storage claims = _claims(number, candidateId.period());
                uint256 heldWh = claims.heldWh + energyWh;
                if (heldWh + claims.soldWh > claims.quotaWh) return (Reason.BeyondQuota, false);
                if (money > search.means - search.held) return (Reason.DepositTooSmall, true);
                claims.heldWh = uint48(heldWh);
                search.held += money;
            }
        }
        if (crosses) _between(search, zone).usedWh += uint64(energyWh);
    }

    /// @dev What a deal with a candidate of another zone may carry at most.
    function _free(Search memory search, uint8 zone) private view returns (uint256) {
        TransferCapacity storage known = _between(search, zone);
        (uint64 capacityWh, uint64 usedWh) = (known.capacityWh, known.usedWh);
        return capacityWh > usedWh ? capacityWh - usedWh : 0;
    }

    function _between(Search memory search, uint8 zone) private pure returns (TransferCapacity storage) {
        (uint8 fromZone, uint8 toZone) = search.sells ? (search.zone, zone) : (zone, search.zone);
        return _transfer(search.id.period(), fromZone, toZone);
    }

    function _bothMayTrade(Deal memory agreed, uint256 tradingMasters) private view returns (bool) {
        return
            tradingMasters >> _account(agreed.seller).masterId & tradingMasters >> _account(agreed.buyer).masterId & 1
                != 0;
    }

    // Steps 4 and 5: intent, cooling-off, storage

    /// @dev Money and energy are held before the intent exists.
    function _agree(Search memory search, OrderId ask, OrderId bid, uint32 seller, uint32 buyer, uint256 energyWh)
        private
    {
        uint64 dealId = ++search.dealCount;
        // The fields of a `Deal`, lowest first.
        uint256 word = uint32(OrderId.unwrap(ask)) | uint256(uint32(OrderId.unwrap(bid))) << 32 | uint256(ask.period())
            << 64 | energyWh << 88 | uint256(seller) << 128 | uint256(buyer) << 160 | uint256(search.confirmBefore)
            << 192 | uint256(search.firstState) << 248;
        store(DEALS | dealId, word);
        emit IntentRecorded(dealId, ask, bid, uint40(energyWh), ask.priceTicks(), search.confirmBefore);
        if (search.firstState == DealState.Confirmed) emit DealConfirmed(dealId);
    }

    function _release(uint64 dealId, Deal memory agreed, DealState state) private {
        uint96 money = _money(agreed);
        Trader storage account = _account(agreed.buyer);
        account.heldMoney -= money;
        account.freeMoney += money;
        _claims(agreed.seller, agreed.period).heldWh -= agreed.energyWh;
        (uint8 fromZone, uint8 toZone) = (_account(agreed.seller).zone, account.zone);
        if (fromZone != toZone) _transfer(agreed.period, fromZone, toZone).usedWh -= agreed.energyWh;
        _deal(dealId).state = state;
        OrderBook.giveBack(toOrderId(agreed.period, Side.Ask, agreed.askTicks, agreed.askTurn), agreed.energyWh);
        OrderBook.giveBack(toOrderId(agreed.period, Side.Bid, agreed.bidTicks, agreed.bidTurn), agreed.energyWh);
    }

    function _cancel(OrderId id) private {
        OrderBook.remove(id);
        delete _cursors[id];
        emit OrderCancelled(id);
    }

    function _deal(uint64 dealId) private pure returns (Deal storage kept) {
        uint256 slot = DEALS | dealId;
        assembly ("memory-safe") {
            kept.slot := slot
        }
    }

    function _ownOrder(uint16 masterId, OrderId id) private view returns (Order memory own) {
        own = OrderBook.orderOf(id);
        if (own.energyTypes == 0 || _account(own.trader).masterId != masterId) revert NotYourOrder(id);
    }

    function _ownIntent(uint16 masterId, uint64 dealId, Side side) private view returns (Deal memory agreed) {
        agreed = _deal(dealId);
        if (agreed.state != DealState.Intent) revert WrongState(dealId, agreed.state);
        bool sells = side == Side.Ask;
        if (_account(sells ? agreed.seller : agreed.buyer).masterId != masterId) revert NotYourDeal(dealId);
        if (sells ? agreed.sellerConfirmed : agreed.buyerConfirmed) revert ConfirmedAlready(dealId);
    }

    function _money(Deal memory agreed) private pure returns (uint96) {
        return uint96(uint256(agreed.energyWh) * agreed.askTicks);
    }
}
