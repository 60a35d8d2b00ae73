// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ExchangeStorage} from "./ExchangeStorage.sol";
import {IAccounts, Position, Trader} from "./interfaces/IAccounts.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {FreeCapacity, ITransfers, TransferCapacity} from "./interfaces/ITransfers.sol";
import {positionAt, traderAt} from "./types/Trader.sol";
import {transferAt} from "./types/TransferCapacity.sol";

/// @title The ledger of the exchange: names, money, claims to energy, transfer capacity
/// @notice What is kept here moves in every trade, so the market reads and writes it in its own storage; this code, which
/// is needed less often, is run there too, by `DELEGATECALL` from the market's address (as Compound III keeps a `CometExt`
/// beside its `Comet`). Called at its own address it keeps nothing that anybody reads.
contract Ledger is ExchangeStorage, ITransfers {
    constructor(IConsortium consortium_) ExchangeStorage(consortium_) {}

    function registerTraders(bytes32[] calldata pseudonyms, uint8[] calldata zones) external returns (uint32 first) {
        if (pseudonyms.length != zones.length) revert LengthsDiffer();
        uint16 masterId = _consortium.activeMasterId(msg.sender);
        mapping(bytes32 pseudonym => uint32) storage own = _traderOf[masterId];
        first = _traderCount + 1;
        for (uint256 i; i < pseudonyms.length; ++i) {
            bytes32 pseudonym = pseudonyms[i];
            if (pseudonym == 0 || own[pseudonym] != 0) revert PseudonymNotFree(pseudonym);
            uint32 number = ++_traderCount;
            own[pseudonym] = number;
            Trader storage account = traderAt(number);
            (account.masterId, account.zone) = (masterId, zones[i]);
            emit TraderRegistered(number, masterId, pseudonym, zones[i]);
        }
    }

    function deposit(uint32[] calldata traders, uint96[] calldata moneys, bytes32 paymentReference) external {
        _requireSettlementAgent();
        if (traders.length != moneys.length) revert LengthsDiffer();
        uint128 credited = _credited;
        for (uint256 i; i < traders.length; ++i) {
            credited += moneys[i];
            if (credited - _debited > type(uint96).max) revert TooMuchMoney(traders[i], moneys[i]);
            _known(traders[i]).freeMoney += moneys[i];
            emit Deposited(traders[i], moneys[i], paymentReference);
        }
        _credited = credited;
    }

    function withdraw(uint32 number, uint96 money, bytes32 paymentReference) external {
        _requireSettlementAgent();
        _spend(number, money);
        _debited += money;
        emit Withdrawn(number, money, paymentReference);
    }

    function moveDeposit(uint32 from, uint32 to, uint96 money) external {
        uint16 masterId = _consortium.activeMasterId(msg.sender);
        _requireBelow(masterId, from);
        _requireBelow(masterId, to);
        _spend(from, money);
        traderAt(to).freeMoney += money;
        emit DepositMoved(from, to, money);
    }

    function setQuotas(uint24[] calldata periods, uint32[] calldata traders, uint48[] calldata quotasWh) external {
        uint16 masterId = _consortium.activeMasterId(msg.sender);
        if (periods.length != traders.length || traders.length != quotasWh.length) revert LengthsDiffer();
        for (uint256 i; i < traders.length; ++i) {
            _requireBelow(masterId, traders[i]);
            Position storage claims = positionAt(traders[i], periods[i]);
            uint48 committedWh = claims.heldWh + claims.soldWh;
            if (quotasWh[i] < committedWh) revert QuotaTooSmall(traders[i], periods[i], committedWh);
            claims.quotaWh = quotasWh[i];
            emit QuotaSet(traders[i], periods[i], quotasWh[i]);
        }
    }

    function publishTransferCapacity(FreeCapacity[] calldata capacities) external {
        if (_consortium.activeMasterId(msg.sender) != _consortium.dispatcher()) revert NotDispatcher(msg.sender);
        for (uint256 i; i < capacities.length; ++i) {
            FreeCapacity calldata free = capacities[i];
            if (free.fromZone == free.toZone) revert SameZone(free.fromZone);
            transferAt(free.period, free.fromZone, free.toZone).capacityWh = free.capacityWh;
            emit TransferCapacityPublished(free.period, free.fromZone, free.toZone, free.capacityWh);
        }
    }

    function consortium() external view returns (IConsortium) {
        return _consortium;
    }

    function traderCount() external view returns (uint32) {
        return _traderCount;
    }

    function traderOf(uint16 masterId, bytes32 pseudonym) external view returns (uint32) {
        return _traderOf[masterId][pseudonym];
    }

    function trader(uint32 number) external view returns (Trader memory) {
        return _known(number);
    }

    function position(uint32 number, uint24 period) external view returns (Position memory) {
        _known(number);
        return positionAt(number, period);
    }

    function moneyMoved() external view returns (uint128 credited, uint128 debited) {
        return (_credited, _debited);
    }

    function transferCapacity(uint24 period, uint8 fromZone, uint8 toZone)
        external
        view
        returns (TransferCapacity memory)
    {
        TransferCapacity storage known = transferAt(period, fromZone, toZone);
        return TransferCapacity(known.capacityWh, known.usedWh);
    }

    function _known(uint32 number) private view returns (Trader storage known) {
        known = traderAt(number);
        if (known.masterId == 0) revert UnknownTrader(number);
    }

    function _spend(uint32 number, uint96 money) private {
        Trader storage known = _known(number);
        if (known.freeMoney < money) revert NotEnoughMoney(number, known.freeMoney, money);
        known.freeMoney -= money;
    }

    function _requireBelow(uint16 masterId, uint32 number) private view {
        if (_known(number).masterId != masterId) revert NotYourTrader(number);
    }

    function _requireSettlementAgent() private view {
        if (_consortium.activeMasterId(msg.sender) != _consortium.settlementAgent()) {
            revert NotSettlementAgent(msg.sender);
        }
    }
}
