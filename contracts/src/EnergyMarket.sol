// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ExchangeStorage} from "./ExchangeStorage.sol";
import {Ledger} from "./Ledger.sol";
import {IConsortium, Standing} from "./interfaces/IConsortium.sol";
import {IEnergyMarket} from "./interfaces/IEnergyMarket.sol";
import {Line, OrderBook} from "./libraries/OrderBook.sol";
import {APART, DEALS, ORDERS, load, store} from "./libraries/Slots.sol";
import {Deal, DealState, dealAt} from "./types/Deal.sol";
import {APART_SHIFT, Order, OrderWord, orderAt} from "./types/Order.sol";
import {MAX_TICKS, OrderId, Side, halfBookOf, toOrderId} from "./types/OrderId.sol";
import {Reason} from "./types/Reason.sol";
import {Request, toRequest} from "./types/Request.sol";
import {Rules} from "./types/Rules.sol";
import {Position, Trader, positionAt, traderAt} from "./types/Trader.sol";
import {TransferCapacity, transferAt} from "./types/TransferCapacity.sol";

/// @title The energy market of the region
/// @notice What is called often is here; the rest of `IExchange` is the ledger's code, run in this contract's storage.
contract EnergyMarket is ExchangeStorage, IEnergyMarket {
    using OrderBook for Line;

    uint256 private constant PERIOD_SECONDS = 900;

    address private immutable _ledger;

    /// @dev An order on its way through the waiting orders of the other side.
    struct Search {
        OrderId id;
        uint32 trader;
        uint16 masterId;
        uint8 zone;
        bool sells;
        /// @dev The masters whose orders it is kept apart from: bit `1 << masterId`.
        uint256 apart;
        /// @dev What the deals must find: of a seller its free quota, of a buyer its free money.
        uint256 means;
        /// @dev What the deals hold of it. Written to storage once, at the end.
        uint256 held;
        uint64 dealCount;
        uint40 confirmBefore;
        DealState firstState;
    }

    constructor(IConsortium consortium_) ExchangeStorage(consortium_) {
        _ledger = address(new Ledger(consortium_));
    }

    /// @dev Whatever this contract does not know itself, the ledger may.
    fallback() external {
        address ledger = _ledger;
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, 0, calldatasize())
            let succeeded := delegatecall(gas(), ledger, data, calldatasize(), 0, 0)
            returndatacopy(data, 0, returndatasize())
            if iszero(succeeded) { revert(data, returndatasize()) }
            return(data, returndatasize())
        }
    }

    function placeOrder(Request request, bytes32 recordHash) external returns (OrderId id) {
        Standing memory standing = _consortium.standing(msg.sender);
        Reason reason;
        (id, reason) = _place(request, recordHash, standing);
        if (reason != Reason.None) revert Refused(reason);
    }

    function placeOrders(Request[] calldata requests, bytes32[] calldata recordHashes) external {
        if (requests.length != recordHashes.length) revert LengthsDiffer();
        Standing memory standing = _consortium.standing(msg.sender);
        for (uint256 i; i < requests.length; ++i) {
            (, Reason reason) = _place(requests[i], recordHashes[i], standing);
            if (reason != Reason.None) emit OrderRefused(standing.masterId, i, recordHashes[i], reason);
        }
    }

    function amendOrder(OrderId id, uint40 energyWh, uint16 priceTicks, bytes32 recordHash)
        external
        returns (OrderId newId)
    {
        Standing memory standing = _consortium.standing(msg.sender);
        OrderWord old = orderAt(id);
        if (!_isOwn(standing.masterId, old)) revert NotYourOrder(id);
        OrderId amended = toOrderId(id.period(), id.side(), priceTicks, 0);
        Request request = toRequest(amended, old.energyTypes(), old.trader(), energyWh);
        Reason reason;
        (newId, reason) = _admit(request, standing);
        if (reason != Reason.None) {
            emit OrderRefused(standing.masterId, 0, recordHash, reason);
            return newId;
        }
        _cancel(id, old);
        _enter(newId, request, recordHash, standing);
    }

    function cancelOrders(OrderId[] calldata ids) external {
        uint16 masterId = _consortium.activeMasterId(msg.sender);
        for (uint256 i; i < ids.length; ++i) {
            OrderWord kept = orderAt(ids[i]);
            if (_isOwn(masterId, kept)) _cancel(ids[i], kept);
            else emit OrderPassedOver(ids[i], Reason.NotYourOrder);
        }
    }

    function matchOrder(OrderId id) external returns (uint256 openWh, bool goesOn) {
        Standing memory standing = _consortium.standing(msg.sender);
        OrderWord waiting = orderAt(id);
        if (OrderWord.unwrap(waiting) == 0) revert NotYourOrder(id);
        if (waiting.openWh() == 0) revert Refused(Reason.EnergyTooSmall);
        Request request = toRequest(id, waiting.energyTypes(), waiting.trader(), waiting.openWh());
        Reason reason = _refusal(traderAt(waiting.trader()).masterId, request, standing);
        if (reason != Reason.None) revert Refused(reason);
        uint256 cursor;
        (openWh, cursor) = _search(id, request, _cursors[id], standing, _apartFrom(id, waiting));
        _cursors[id] = cursor;
        if (openWh != waiting.openWh()) OrderBook.take(id, waiting, waiting.openWh() - openWh);
        return (openWh, cursor != 0);
    }

    function confirm(uint64[] calldata dealIds, Side side) external {
        uint16 masterId = _consortium.activeMasterId(msg.sender);
        for (uint256 i; i < dealIds.length; ++i) {
            Deal storage kept = dealAt(dealIds[i]);
            Deal memory agreed = kept;
            Reason reason = _unanswerable(masterId, agreed, side);
            if (reason == Reason.None && block.timestamp > agreed.confirmBefore) reason = Reason.WrongState;
            if (reason != Reason.None) {
                emit DealPassedOver(dealIds[i], reason);
                continue;
            }
            if (side == Side.Ask) agreed.sellerConfirmed = true;
            else agreed.buyerConfirmed = true;
            emit PartyConfirmed(dealIds[i], side);
            if (agreed.sellerConfirmed && agreed.buyerConfirmed) {
                agreed.state = DealState.Confirmed;
                emit DealConfirmed(dealIds[i]);
            }
            (kept.sellerConfirmed, kept.buyerConfirmed, kept.state) =
            (agreed.sellerConfirmed, agreed.buyerConfirmed, agreed.state);
        }
    }

    function abandon(uint64[] calldata dealIds, Side side) external {
        Standing memory standing = _consortium.standing(msg.sender);
        uint256 apartSeconds = standing.rules.apartSeconds();
        for (uint256 i; i < dealIds.length; ++i) {
            Deal memory agreed = dealAt(dealIds[i]);
            Reason reason = _unanswerable(standing.masterId, agreed, side);
            if (reason != Reason.None) {
                emit DealPassedOver(dealIds[i], reason);
                continue;
            }
            emit DealAbandoned(dealIds[i], side);
            _release(dealIds[i], agreed, DealState.Abandoned, side == Side.Ask, side == Side.Bid, apartSeconds);
        }
    }

    function expire(uint64[] calldata dealIds) external {
        Standing memory standing = _consortium.standing(msg.sender);
        uint256 apartSeconds = standing.rules.apartSeconds();
        for (uint256 i; i < dealIds.length; ++i) {
            Deal memory agreed = dealAt(dealIds[i]);
            bool open = agreed.state == DealState.Intent || agreed.state == DealState.Confirmed;
            bool late = agreed.state == DealState.Intent && block.timestamp > agreed.confirmBefore;
            if (!open || (!late && _bothMayTrade(agreed, standing.tradingMasters))) {
                emit DealPassedOver(dealIds[i], Reason.WrongState);
                continue;
            }
            emit DealExpired(dealIds[i]);
            (bool sellerLets, bool buyerLets) = (late && !agreed.sellerConfirmed, late && !agreed.buyerConfirmed);
            _release(dealIds[i], agreed, DealState.Expired, sellerLets, buyerLets, apartSeconds);
        }
    }

    function settle(uint64[] calldata dealIds) external {
        uint256 tradingMasters = _consortium.standing(msg.sender).tradingMasters;
        for (uint256 i; i < dealIds.length; ++i) {
            Deal storage kept = dealAt(dealIds[i]);
            Deal memory agreed = kept;
            Reason reason;
            if (agreed.state != DealState.Confirmed) reason = Reason.WrongState;
            else if (!_bothMayTrade(agreed, tradingMasters)) reason = Reason.PartySuspended;
            if (reason != Reason.None) {
                emit DealPassedOver(dealIds[i], reason);
                continue;
            }
            kept.state = DealState.Settled;
            emit DealSettled(dealIds[i], _settle(agreed));
        }
    }

    function dealCount() external view returns (uint64) {
        return _dealCount;
    }

    function deal(uint64 dealId) external view returns (Deal memory known) {
        if (dealId <= _dealCount) known = dealAt(dealId);
    }

    function order(OrderId id) external view returns (Order memory) {
        return orderAt(id).unpack();
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
        if (reason == Reason.None) reason = _oversight(request, standing.rules);
        if (reason != Reason.None) return (id, reason);
        bool full;
        (id, full) = OrderBook.issue(request, standing.masterId);
        if (full) reason = Reason.QueueFull;
    }

    function _enter(OrderId id, Request request, bytes32 recordHash, Standing memory standing) private {
        emit OrderPlaced(id, request.trader(), request.energyTypes(), request.energyWh(), recordHash);
        (uint256 openWh, uint256 cursor) = _search(id, request, 0, standing, 0);
        if (cursor != 0) _cursors[id] = cursor;
        OrderBook.put(id, request, openWh);
    }

    /// @dev Takes legal candidates in price-time order until the energy, the candidates or the limit run out.
    /// @param apart The masters whose orders it is kept apart from.
    /// @return openWh What found no counterpart.
    /// @return cursor Where the search goes on if it met the candidate limit, else 0.
    function _search(OrderId id, Request request, uint256 from, Standing memory standing, uint256 apart)
        private
        returns (uint256 openWh, uint256 cursor)
    {
        openWh = request.energyWh();
        Line memory line = OrderBook.line(id.halfBook() ^ 1, request.energyTypes(), from, MAX_TICKS ^ id.rank());
        if (line.first == OrderBook.NONE) return (openWh, 0);
        Search memory search = _begin(id, request.trader(), standing.rules);
        search.apart = apart;
        Reason stopped;
        for (uint256 left = standing.rules.maxCandidates(); openWh != 0 && line.first != OrderBook.NONE; --left) {
            if (left == 0) {
                (stopped, cursor) = (Reason.CandidateLimit, line.firstPlace());
                break;
            }
            OrderId candidateId = line.firstId();
            OrderWord candidate = orderAt(candidateId);
            (uint256 energyWh, Reason reason, bool incomingLacks) =
                _hold(search, candidateId, candidate, openWh, standing);
            if (energyWh != 0) {
                uint32 trader = candidate.trader();
                OrderBook.take(candidateId, candidate, energyWh);
                if (search.sells) _agree(search, id, candidateId, search.trader, trader, energyWh);
                else _agree(search, candidateId, id, trader, search.trader, energyWh);
                unchecked {
                    openWh -= energyWh;
                }
            }
            if (incomingLacks) {
                stopped = reason;
                break;
            }
            if (reason != Reason.None) {
                emit CandidatePassedOver(id, candidateId, reason);
                if (energyWh == 0 && _lacksAll(candidateId, candidate, reason)) _drop(candidateId);
            }
            if (openWh != 0) line.advance();
        }
        if (stopped != Reason.None) emit MatchingStopped(id, stopped);
        _end(search);
    }

    function _begin(OrderId id, uint32 number, Rules rules) private view returns (Search memory search) {
        uint256 coolingOffSeconds = rules.coolingOffSeconds();
        (search.id, search.trader, search.sells) = (id, number, id.side() == Side.Ask);
        search.dealCount = _dealCount;
        // The order was taken, so the gate is not closed yet.
        uint256 gate = id.period() * PERIOD_SECONDS - rules.gateLeadSeconds();
        uint256 confirmBefore = block.timestamp + coolingOffSeconds;
        search.confirmBefore = uint40(confirmBefore < gate ? confirmBefore : gate);
        search.firstState = coolingOffSeconds == 0 ? DealState.Confirmed : DealState.Intent;
        Trader storage account = traderAt(number);
        (search.masterId, search.zone) = (account.masterId, account.zone);
        if (search.sells) {
            Position storage claims = positionAt(number, id.period());
            search.means = claims.quotaWh - claims.heldWh - claims.soldWh;
        } else {
            search.means = account.freeMoney;
        }
    }

    /// @dev What the deals hold of the incoming order's trader. It is no candidate's trader, so nothing else changed.
    function _end(Search memory search) private {
        if (search.dealCount == _dealCount) return;
        _dealCount = search.dealCount;
        if (search.sells) {
            positionAt(search.trader, search.id.period()).heldWh += uint48(search.held);
        } else {
            Trader storage account = traderAt(search.trader);
            account.freeMoney = uint96(search.means - search.held);
            account.heldMoney += uint96(search.held);
        }
    }

    // Step 3: legality

    function _refusal(uint16 masterId, Request request, Standing memory standing) private view returns (Reason) {
        Rules rules = standing.rules;
        if (traderAt(request.trader()).masterId != masterId) return Reason.NotYourTrader;
        if (standing.tradingMasters >> masterId & 1 == 0) return Reason.PartySuspended;
        if (block.timestamp + rules.gateLeadSeconds() >= request.period() * PERIOD_SECONDS) return Reason.GateClosed;
        if (!rules.allowPrice(request.priceTicks())) return Reason.PriceOutOfBounds;
        uint256 types = request.energyTypes();
        if (types == 0) return Reason.EnergyTypesInvalid;
        if (request.side() == uint8(Side.Ask) && types & (types - 1) != 0) return Reason.EnergyTypesInvalid;
        return Reason.None;
    }

    /// @dev What is asked of a new order only: that it is no dust, and a bid no more than its money makes likely.
    /// Energy below 2^40 times a price below 2^16, money below 2^96 times a multiple below 2^8: neither can overflow.
    function _oversight(Request request, Rules rules) private view returns (Reason) {
        unchecked {
            uint256 energyWh = request.energyWh();
            if (energyWh < rules.leastWh()) return Reason.EnergyTooSmall;
            if (request.side() == uint8(Side.Ask)) return Reason.None;
            uint256 mostMoney = traderAt(request.trader()).freeMoney * rules.bidMultiple();
            return energyWh * request.priceTicks() > mostMoney ? Reason.DepositTooSmall : Reason.None;
        }
    }

    /// @dev Checks a candidate and, if it is legal, holds what the deal needs: money, energy and the way between zones.
    /// What it holds of the incoming order's trader it notes in `search`. Means for a part of the energy trade that part.
    /// @return energyWh Over how much the two agree; 0 if they may not trade.
    /// @return reason Why it is not all that both have open, or `None`.
    /// @return incomingLacks True if it is the incoming order that lacks quota or deposit: its search ends there.
    function _hold(
        Search memory search,
        OrderId candidateId,
        OrderWord candidate,
        uint256 wantedWh,
        Standing memory standing
    ) private returns (uint256 energyWh, Reason reason, bool incomingLacks) {
        uint32 number = candidate.trader();
        if (number == search.trader) return (0, Reason.SameUser, false);
        if (!standing.rules.allowPrice(candidateId.priceTicks())) return (0, Reason.PriceOutOfBounds, false);
        Trader storage account = traderAt(number);
        uint256 masterId = account.masterId;
        if (standing.tradingMasters >> masterId & 1 == 0) return (0, Reason.PartySuspended, false);
        if (search.apart >> masterId & 1 != 0) return (0, Reason.LetDown, false);
        if (_apartFrom(candidateId, candidate) >> search.masterId & 1 != 0) return (0, Reason.LetDown, false);

        energyWh = candidate.openWh();
        if (wantedWh < energyWh) energyWh = wantedWh;
        uint8 zone = account.zone;
        if (zone != search.zone) {
            if (masterId == search.masterId && !_isLast(search.id, standing.rules)) {
                return (0, Reason.OthersFirst, false);
            }
            uint256 free = _free(search, zone);
            if (free < energyWh) (energyWh, reason) = (free, Reason.NoTransferCapacity);
        }
        // Energy below 2^40 times a price below 2^16, sums of two claims below 2^48: none of these can overflow.
        unchecked {
            if (search.sells) {
                uint256 roomWh = search.means - search.held;
                if (roomWh < energyWh) (energyWh, reason, incomingLacks) = (roomWh, Reason.BeyondQuota, true);
                uint256 ticks = search.id.priceTicks();
                uint256 freeMoney = account.freeMoney;
                uint256 money = energyWh * ticks;
                if (freeMoney < money) {
                    (energyWh, reason, incomingLacks) = (freeMoney / ticks, Reason.DepositTooSmall, false);
                    money = energyWh * ticks;
                }
                if (energyWh == 0) return (0, reason, incomingLacks);
                account.freeMoney = uint96(freeMoney - money);
                account.heldMoney += uint96(money);
                search.held += energyWh;
            } else {
                Position storage claims = positionAt(number, candidateId.period());
                uint256 heldWh = claims.heldWh;
                uint256 roomWh = claims.quotaWh - heldWh - claims.soldWh;
                if (roomWh < energyWh) (energyWh, reason) = (roomWh, Reason.BeyondQuota);
                uint256 ticks = candidateId.priceTicks();
                uint256 freeMoney = search.means - search.held;
                uint256 money = energyWh * ticks;
                if (freeMoney < money) {
                    (energyWh, reason, incomingLacks) = (freeMoney / ticks, Reason.DepositTooSmall, true);
                    money = energyWh * ticks;
                }
                if (energyWh == 0) return (0, reason, incomingLacks);
                claims.heldWh = uint48(heldWh + energyWh);
                search.held += money;
            }
        }
        if (zone != search.zone) _between(search, zone).usedWh += uint64(energyWh);
    }

    /// @dev True if a candidate that was passed over has means for nothing, also if all its open deals ended: it stands
    /// for nothing, and loses its turn. What deals hold of it counts as its own, so nobody takes a turn by holding it.
    function _lacksAll(OrderId id, OrderWord candidate, Reason reason) private view returns (bool) {
        uint32 number = candidate.trader();
        if (reason == Reason.DepositTooSmall) {
            Trader storage account = traderAt(number);
            return uint256(account.freeMoney) + account.heldMoney < id.priceTicks();
        }
        Position storage claims = positionAt(number, id.period());
        return reason == Reason.BeyondQuota && claims.quotaWh == claims.soldWh;
    }

    /// @dev True in the last period before the gate closes. A master costs itself nothing by trading between zones with
    /// itself: what it could take from others so, it may take only when they had the time to.
    function _isLast(OrderId id, Rules rules) private view returns (bool) {
        return block.timestamp + rules.gateLeadSeconds() + PERIOD_SECONDS >= id.period() * PERIOD_SECONDS;
    }

    /// @dev What a deal with a candidate of another zone may carry at most.
    function _free(Search memory search, uint8 zone) private view returns (uint256) {
        TransferCapacity storage known = _between(search, zone);
        (uint64 capacityWh, uint64 usedWh) = (known.capacityWh, known.usedWh);
        return capacityWh > usedWh ? capacityWh - usedWh : 0;
    }

    function _between(Search memory search, uint8 zone) private pure returns (TransferCapacity storage) {
        (uint8 fromZone, uint8 toZone) = search.sells ? (search.zone, zone) : (zone, search.zone);
        return transferAt(search.id.period(), fromZone, toZone);
    }

    function _bothMayTrade(Deal memory agreed, uint256 tradingMasters) private view returns (bool) {
        return
            tradingMasters >> traderAt(agreed.seller).masterId & tradingMasters >> traderAt(agreed.buyer).masterId & 1
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

    /// @dev None of these can overflow (see `Trader` and `Position`), nor run below what the deal holds.
    function _settle(Deal memory agreed) private returns (uint96 money) {
        unchecked {
            money = _money(agreed);
            traderAt(agreed.buyer).heldMoney -= money;
            traderAt(agreed.seller).freeMoney += money;
            Position storage claims = positionAt(agreed.seller, agreed.period);
            claims.heldWh -= agreed.energyWh;
            claims.soldWh += agreed.energyWh;
            positionAt(agreed.buyer, agreed.period).boughtWh += agreed.energyWh;
        }
    }

    /// @dev Ends a deal. Who let it end loses the turn: its order leaves the market. The other one's gets its energy back
    /// at its old turn, and is kept apart from the orders of that master for a while.
    function _release(
        uint64 dealId,
        Deal memory agreed,
        DealState state,
        bool sellerLets,
        bool buyerLets,
        uint256 apartSeconds
    ) private {
        uint96 money = _money(agreed);
        Trader storage buyer = traderAt(agreed.buyer);
        Trader storage seller = traderAt(agreed.seller);
        unchecked {
            buyer.heldMoney -= money;
            buyer.freeMoney += money;
            positionAt(agreed.seller, agreed.period).heldWh -= agreed.energyWh;
            if (seller.zone != buyer.zone) {
                transferAt(agreed.period, seller.zone, buyer.zone).usedWh -= agreed.energyWh;
            }
        }
        dealAt(dealId).state = state;
        OrderId ask = toOrderId(agreed.period, Side.Ask, agreed.askTicks, agreed.askTurn);
        OrderId bid = toOrderId(agreed.period, Side.Bid, agreed.bidTicks, agreed.bidTurn);
        if (sellerLets) _drop(ask);
        else _return(ask, agreed.energyWh, buyerLets ? buyer.masterId : 0, apartSeconds);
        if (buyerLets) _drop(bid);
        else _return(bid, agreed.energyWh, sellerLets ? seller.masterId : 0, apartSeconds);
    }

    function _drop(OrderId id) private {
        OrderWord kept = orderAt(id);
        if (OrderWord.unwrap(kept) == 0) return;
        _remove(id, kept);
        emit TurnLost(id);
    }

    /// @param letDownBy The master by which the order was let down, or 0.
    function _return(OrderId id, uint256 energyWh, uint256 letDownBy, uint256 apartSeconds) private {
        OrderWord before = OrderBook.giveBack(id, energyWh);
        if (letDownBy == 0 || apartSeconds == 0 || OrderWord.unwrap(before) == 0) return;
        store(APART | OrderId.unwrap(id), _apartFrom(id, before) | 1 << letDownBy);
        uint256 slot = ORDERS | OrderId.unwrap(id);
        uint256 word = load(slot);
        store(slot, (word << 256 - APART_SHIFT >> 256 - APART_SHIFT) | block.timestamp + apartSeconds << APART_SHIFT);
    }

    /// @dev The masters whose orders an order is kept apart from now.
    function _apartFrom(OrderId id, OrderWord order_) private view returns (uint256) {
        return order_.apartUntil() > block.timestamp ? load(APART | OrderId.unwrap(id)) : 0;
    }

    function _cancel(OrderId id, OrderWord kept) private {
        _remove(id, kept);
        emit OrderCancelled(id);
    }

    function _remove(OrderId id, OrderWord kept) private {
        OrderBook.remove(id, kept);
        delete _cursors[id];
    }

    function _isOwn(uint16 masterId, OrderWord kept) private view returns (bool) {
        return OrderWord.unwrap(kept) != 0 && traderAt(kept.trader()).masterId == masterId;
    }

    /// @dev Why a master may not answer for the party on a side of a deal, or `None`.
    function _unanswerable(uint16 masterId, Deal memory agreed, Side side) private view returns (Reason) {
        if (agreed.state != DealState.Intent) return Reason.WrongState;
        bool sells = side == Side.Ask;
        if (traderAt(sells ? agreed.seller : agreed.buyer).masterId != masterId) return Reason.NotYourDeal;
        return (sells ? agreed.sellerConfirmed : agreed.buyerConfirmed) ? Reason.ConfirmedAlready : Reason.None;
    }

    function _money(Deal memory agreed) private pure returns (uint96) {
        return uint96(uint256(agreed.energyWh) * agreed.askTicks);
    }
}
